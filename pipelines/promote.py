"""Registers what was evaluated, and decides by mlflow/promotion.yaml who is champion.

python -m pipelines.promote                   the stage: all evaluated recipes of params.yaml
python -m pipelines.promote --rollback SLOT   gives the slot back to the previous champion
python -m pipelines.promote --list            who is champion of what
python -m pipelines.promote --verify          the registry against the ledger and files' digests;
                                              what differs is mended (with --list: only told)

Webhooks of the rule book are told of a new champion when all is decided; what they could not be
told waits in runs/webhooks for the next call, `--list` too.
Inside `dvc exp run` the stage registers nothing: an experiment is promoted on purpose, by hand.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.processes import held
from pipelines.host.temporary import temporary_in
from pipelines.host.writable import writable
from pipelines.recipe.params import load_params
from pipelines.registry.ledger import Entry, Ledger
from pipelines.tracking.server import answers_in_words

if TYPE_CHECKING:
    from pipelines.registry.gate import Candidate, WriteFiles
    from pipelines.registry.rules import Rule
    from pipelines.registry.versions import Registry, Version


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("promote", __doc__)
    arguments.add_argument("--rollback", metavar="SLOT", help="back to the previous champion")
    arguments.add_argument("--list", action="store_true", help="say who is champion, decide none")
    arguments.add_argument("--verify", action="store_true", help="mend what is not as decided")
    return run_command(arguments, argv, act)


def act(asked: Namespace) -> int:
    from pipelines.registry.rules import RULES, read_rules

    if asked.verify:
        return int(not verify(read_rules(RULES), mend=not asked.list))
    decide_champions(asked.rollback, asked.list)
    return 0


def verify(rules: Mapping[str, Rule], *, mend: bool, write_files: WriteFiles | None = None) -> bool:
    """Says of each slot how it differs from the ledger; whether all is well now."""
    from pipelines.registry.verifying import verify_slot
    from pipelines.serving.model_files import write_model_files

    with deciding() as (registry, ledger):
        again = partial(registered_anew, registry, rules, write_files or write_model_files)
        found = [
            verify_slot(registry, ledger, slot, rule, again if mend else None)
            for slot, rule in rules.items()
        ]
        print("\n".join(each.line() for each in found))
        if mend:
            ledger.set_slots(print_slots(registry, rules))
    return all(each.is_well for each in found)


def registered_anew(
    registry: Registry, rules: Mapping[str, Rule], write_files: WriteFiles, entry: Entry
) -> Version | None:
    """The whole version that an entry tells of, registered from results/ where the slot has none;
    None where its very weights do not lie there any more."""
    from pipelines.evaluation.record import has_evaluation
    from pipelines.registry.gate import read_candidate, register, whole_version

    name, slot = str(entry.get("recipe") or ""), entry["slot"]
    if not name or not has_evaluation(places.evaluated(name)):
        return None
    candidate = read_candidate(name)
    if candidate.identity != entry.get("identity"):
        return None
    whole = whole_version(registry, slot, candidate)
    return whole or register(registry, slot, candidate, rules[slot], write_files)


def decide_champions(rollback: str | None, only_list: bool) -> None:
    from pipelines.registry.crowning import roll_back
    from pipelines.registry.rules import RULES, read_rules
    from pipelines.registry.versions import Registry
    from pipelines.registry.webhooks import read_hooks, tell

    rules = read_rules(RULES)
    if rollback:
        with deciding() as (registry, ledger):
            roll_back(registry, ledger, rollback, rules)
            ledger.set_slots(print_slots(registry, rules))
    elif only_list:
        registry = Registry()
        with answers_in_words(registry.uri):
            print_slots(registry, rules)
        tell(read_hooks())
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
    from pipelines.registry.versions import Registry
    from pipelines.registry.webhooks import noticing, read_hooks, tell

    lock = places.promotion_lock()
    with writable(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
    registry, hooks = Registry(), read_hooks()
    with (
        held(lock, "decides who is champion"),
        temporary_in(lock.with_suffix(".work")),  # of models that are being registered
        answers_in_words(registry.uri),
    ):
        ledger = Ledger(places.promotion(), places.promotion_journal())
        with noticing(hooks, ledger):
            yield registry, ledger
    tell(hooks)


def promote(
    recipes: Iterable[str],
    rules: Mapping[str, Rule],
    write_files: WriteFiles | None = None,
) -> None:
    """The stage: each evaluated recipe to the slots that take it; then who is champion of what."""
    from pipelines.registry.crowning import finish, restore
    from pipelines.serving.model_files import write_model_files

    write_files = write_files or write_model_files
    with deciding() as (registry, ledger):
        again = partial(registered_anew, registry, rules, write_files)
        for slot, rule in rules.items():
            finish(registry, ledger, slot)
            restore(registry, ledger, slot, rule, again)
        for name in recipes:
            if candidate := candidate_of(name):
                offer(registry, ledger, candidate, rules, write_files)
        ledger.set_slots(print_slots(registry, rules))


def candidate_of(name: str) -> Candidate | None:
    """None, and a line that says why, where the recipe has nothing to register."""
    from pipelines.evaluation.record import has_evaluation
    from pipelines.registry.gate import read_candidate

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
    from pipelines.registry.gate import consider, register
    from pipelines.registry.rules import RULES, slots_of, why_not

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
        consider(registry, ledger, slot, rule, version, candidate, write_files)


def print_slots(registry: Registry, rules: Mapping[str, Rule]) -> dict[str, dict[str, Any]]:
    """Says who is champion of what; returns the state of the slots. Slots of own data sets that
    nobody was offered to are left out."""
    from pipelines.registry.slots import slot_lines, slot_state

    told = {s: rule for s, rule in rules.items() if rule.dataset is None or registry.aliases(s)}
    slots = {slot: slot_state(registry, slot, rule) for slot, rule in told.items()}
    print("\n".join(slot_lines(slots)))
    return slots


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
