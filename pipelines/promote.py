"""Registers what was evaluated, and decides by mlflow/promotion.yaml who is champion.

python -m pipelines.promote                   the stage: all evaluated recipes of params.yaml
python -m pipelines.promote --rollback SLOT   gives the slot back to the previous champion
python -m pipelines.promote --list            who is champion of what

Inside `dvc exp run` the stage registers nothing: an experiment is promoted on purpose, by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines.evaluation.record import has_evaluation
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.processes import held
from pipelines.recipe.params import load_params
from pipelines.registry.crowning import restore, roll_back
from pipelines.registry.gate import Candidate, WriteFiles, consider, read_candidate, register
from pipelines.registry.ledger import Ledger
from pipelines.registry.rules import RULES, Rule, read_rules, slots_of, why_not
from pipelines.registry.slots import slot_lines, slot_state
from pipelines.registry.versions import Registry
from pipelines.serving.model_files import write_model_files
from pipelines.tracking.server import answers_in_words


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("promote", __doc__)
    arguments.add_argument("--rollback", metavar="SLOT", help="back to the previous champion")
    arguments.add_argument("--list", action="store_true", help="say who is champion, decide none")
    return run_command(arguments, argv, lambda asked: decide_champions(asked.rollback, asked.list))


def decide_champions(rollback: str | None, only_list: bool) -> None:
    rules = read_rules(RULES)
    if rollback:
        with deciding() as (registry, ledger):
            roll_back(registry, ledger, rollback, rules)
            ledger.set_slots(print_slots(registry, rules))
    elif only_list:
        registry = Registry()
        with answers_in_words(registry.uri):
            print_slots(registry, rules)
    elif trial := places.trial():
        stand_aside(trial)
    else:
        promote(load_params()["run"]["recipes"], rules)


def stand_aside(trial: str) -> None:
    """Of an experiment of DVC, which may be one of many: it registers nothing by itself."""
    by_hand = f"`dvc exp apply {trial}`, then `python -m pipelines.promote`"
    print(f"{trial}: an experiment, nothing is registered; {by_hand} registers its models")
    ledger = Ledger(places.promotion())
    ledger.set_slots(ledger.slots)  # the stage's out, also where nothing was ever promoted


@contextmanager
def deciding() -> Iterator[tuple[Registry, Ledger]]:
    """Registry and ledger, for this process alone: two at once would register all twice."""
    lock = places.promotion_lock()
    lock.parent.mkdir(parents=True, exist_ok=True)
    registry = Registry()
    with held(lock, "decides who is champion"), answers_in_words(registry.uri):
        yield registry, Ledger(places.promotion())


def promote(
    recipes: Iterable[str],
    rules: Mapping[str, Rule],
    write_files: WriteFiles = write_model_files,
) -> None:
    """The stage: each evaluated recipe to the slots that take it; then who is champion of what."""
    with deciding() as (registry, ledger):
        for slot, rule in rules.items():
            restore(registry, ledger, slot, rule)
        for name in recipes:
            if candidate := candidate_of(name):
                offer(registry, ledger, candidate, rules, write_files)
        ledger.set_slots(print_slots(registry, rules))


def candidate_of(name: str) -> Candidate | None:
    """None, and a line that says why, where the recipe has nothing to register."""
    if not has_evaluation(places.evaluated(name)):
        print(f"{name}: not evaluated, left out (`make repro RECIPE={name}`)")
        return None
    candidate = read_candidate(name)
    settings = candidate.trained.recipe.evaluation
    if settings.split == settings.train_split:
        print(f"{name}: left out: evaluated on the images that it trained on")
        return None
    return candidate


def offer(
    registry: Registry,
    ledger: Ledger,
    candidate: Candidate,
    rules: Mapping[str, Rule],
    write_files: WriteFiles,
) -> None:
    skeleton, record = candidate.trained.skeleton.name, candidate.evaluation.record
    fitting = slots_of(rules, record.dataset)
    fitting = {slot: rule for slot, rule in fitting.items() if rule.skeleton == skeleton}
    if not fitting:
        print(f"{candidate.recipe}: no slot of {RULES.name} takes skeleton {skeleton}")
    for slot, rule in fitting.items():
        if reason := why_not(rule, skeleton, record.cost, record.numbers):
            print(f"{candidate.recipe}: not for {slot}: {reason}")
            continue
        version = register(registry, slot, candidate, rule, write_files)
        consider(registry, ledger, slot, rule, version, candidate)


def print_slots(registry: Registry, rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """Says who is champion of what; returns the state of the slots. Slots of own data sets that
    nobody was offered to are left out."""
    told = {s: rule for s, rule in rules.items() if rule.dataset is None or registry.aliases(s)}
    slots = {slot: slot_state(registry, slot, rule) for slot, rule in told.items()}
    print("\n".join(slot_lines(slots)))
    return slots


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
