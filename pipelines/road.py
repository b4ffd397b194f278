"""Runs the stages of some recipes, or of all: `make demo`, `make repro`.

    python -m pipelines.road [RECIPE ...]

A recipe that `params.yaml` does not run yet is added there. One Ray head serves all trainings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from data.menus import EVALUATORS
from pipelines.cluster.head import one_head
from pipelines.evaluation.record import EvaluationRecord, has_evaluation
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.processes import run_dvc
from pipelines.host.progress import told_number
from pipelines.recipe.params import add_to_run, load_params
from pipelines.recipe.reader import load_recipe
from pipelines.registry.ledger import Ledger


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("road", __doc__)
    arguments.add_argument("recipes", nargs="*", metavar="RECIPE", help="none: all of params.yaml")
    return run_command(arguments, argv, lambda asked: road(asked.recipes))


def road(recipes: Sequence[str]) -> int:
    for name in recipes:
        add_to_run(name, load_recipe(name))
    started = time.monotonic()
    before = lock_file()
    with one_head():
        code = reproduce(recipes)
    if code:
        return code
    same = before is not None and before == lock_file()
    done = "Nothing to do: all is up to date" if same else "Done"
    print(f"\n{done} ({time.monotonic() - started:.0f} s).")
    print("\n".join(summary_lines(recipes or list(load_params()["run"]["recipes"]))))
    return 0


def reproduce(recipes: Sequence[str]) -> int:
    """Exit code of `dvc repro` for these recipes; their report and promotion come last."""
    if not recipes:
        return run_dvc("repro")
    targets = [f"evaluate@{name}" for name in recipes]
    return run_dvc("repro", *targets) or run_dvc("repro", "--single-item", "compare", "promote")


def lock_file() -> bytes | None:
    path = places.REPOSITORY / "dvc.lock"
    return path.read_bytes() if path.is_file() else None


def summary_lines(recipes: Sequence[str]) -> list[str]:
    """What a person wants to know at the end: main numbers, champions and why, where to look on."""
    width = max(map(len, recipes), default=0)
    return [
        "",
        *(f"  {name:<{width}}  {main_numbers(name) or 'not evaluated'}" for name in recipes),
        "",
        *champion_lines(),
        "",
        f"  report       {places.comparison()}",
        "  MLflow page  make ui  ->  http://127.0.0.1:5000",
    ]


def main_numbers(recipe: str) -> str:
    """The main number of the recipe's evaluator under each protocol; "" where not evaluated."""
    folder = places.evaluated(recipe)
    if not has_evaluation(folder):
        return ""
    main = {kind.main for kind in EVALUATORS.values()}
    numbers = EvaluationRecord.read(folder).numbers
    shown = {key: value for key, value in numbers.items() if key.rpartition("@")[0] in main}
    return "  ".join(f"{key} {told_number(key, value)}" for key, value in shown.items())


def champion_lines() -> list[str]:
    lines = []
    for slot, state in Ledger(places.promotion()).slots.items():
        if state.get("champion"):
            lines.append(f"  champion of {slot}: version {state['champion']}, {state['recipe']}")
            lines.append(f"    {state['reason']}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
