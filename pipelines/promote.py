"""Registers what was evaluated, and decides by mlflow/promotion.yaml who is champion.

python -m pipelines.promote                   the stage: all evaluated recipes of params.yaml
python -m pipelines.promote --rollback SLOT   gives the slot back to the previous champion
python -m pipelines.promote --list            who is champion of what
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.registry.gate import consider, read_candidate, register, roll_back
from pipelines.registry.ledger import Ledger
from pipelines.registry.rules import RULES, Rule, read_rules, why_not
from pipelines.registry.slots import slot_lines, slot_state
from pipelines.registry.versions import Registry


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.promote", description=__doc__)
    parser.add_argument("--rollback", metavar="SLOT")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args(argv)
    try:
        rules = read_rules(RULES)
        registry, ledger = Registry(), Ledger(places.reports() / "promotion.json")
        if given.rollback:
            roll_back(registry, ledger, given.rollback, rules)
        elif not given.list:
            promote_all(registry, ledger, rules)
        slots = {slot: slot_state(registry, slot, rules[slot]) for slot in rules}
        if not given.list:
            ledger.show(slots)
        print("\n".join(slot_lines(slots)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def promote_all(registry: Registry, ledger: Ledger, rules: dict[str, Rule]) -> None:
    for name in load_params()["run"]["recipes"]:
        if not (places.evaluated(name) / "metrics.json").is_file():
            print(f"{name}: not evaluated, left out (`dvc repro evaluate@{name}`)")
            continue
        candidate = read_candidate(name)
        settings = candidate.trained.recipe.evaluation
        if settings.split == settings.train_split:
            print(f"{name}: left out: evaluated on the images that it trained on")
            continue
        about, skeleton = candidate.evaluated.about, candidate.trained.skeleton.name
        for slot, rule in rules.items():
            if reason := why_not(rule, skeleton, about["cost"], candidate.evaluated.metrics):
                print(f"{name}: not for {slot}: {reason}")
                continue
            version = register(registry, slot, candidate, rule)
            consider(registry, ledger, slot, rule, version, candidate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
