"""`make demo` and `make repro`: runs the stages of some recipes (or of all) and says what came out.

    python -m pipelines.road [RECIPE ...]

A recipe that `params.yaml` does not run yet is added there. One Ray head serves all trainings.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data import EVALUATORS
from pipelines.cluster.head import one_head
from pipelines.host import places
from pipelines.host.processes import run_dvc
from pipelines.recipe.params import add_to_run, load_params
from pipelines.recipe.reader import load_recipe

MAIN = {kind.main for kind in EVALUATORS.values()}
NOTHING = "Data and pipelines are up to date."


def main(arguments: Sequence[str]) -> int:
    recipes = list(arguments)
    try:
        for name in recipes:
            add_to_run(name, load_recipe(name))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    started = time.monotonic()
    before = lock_file()
    with one_head():
        code = reproduce(recipes)
    if code:
        return code
    same = before is not None and before == lock_file()
    print(f"\n{'Nothing to do: all is up to date' if same else 'Done'} "
          f"({time.monotonic() - started:.0f} s).")  # fmt: skip
    print("\n".join(summary(recipes or list(load_params()["run"]["recipes"]))))
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


def summary(recipes: Sequence[str]) -> list[str]:
    """What a person wants to know at the end: main numbers, champions and why, where to look on."""
    lines = [""]
    width = max(map(len, recipes), default=0)
    for name in recipes:
        metrics = read(places.home() / "results" / name / "metrics.json")
        numbers = [f"{k} {v:.3f}" for k, v in metrics.items() if k.rpartition("@")[0] in MAIN]
        lines.append(f"  {name:<{width}}  {'  '.join(numbers) or 'not evaluated'}")
    lines.append("")
    promotion = read(places.reports() / "promotion.json")
    for slot, state in promotion.get("slots", {}).items():
        if state.get("champion"):
            lines.append(f"  champion of {slot}: version {state['champion']}, {state['recipe']}")
            lines.append(f"    {state['reason']}")
    lines += [
        "",
        f"  report       {places.reports() / 'comparison.md'}",
        "  MLflow page  make ui  ->  http://127.0.0.1:5000",
    ]
    return lines


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
