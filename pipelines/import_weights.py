"""Somebody's checkpoint -> results/RECIPE as a training leaves it, evaluated and registered.

    python -m pipelines.import_weights FILE RECIPE [--drop PREFIX ...] [--replace]

FILE: torch or safetensors; the weights bare, under `state_dict` or `model`, with or without the
prefixes of wrappers. It must fill the recipe's network whole and hold nothing else; --drop names
parts of it that the recipe has no use for (`refinement_stages.1`). The network is fed as the recipe
says: weights that were trained on BGR images need a recipe with `pixels: imagenet_bgr`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.host import places
from pipelines.host.processes import DVC, run_child, run_dvc
from pipelines.recipe.params import add_to_run
from pipelines.recipe.reader import load_recipe
from pipelines.training.imported import import_weights


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.import_weights")
    parser.add_argument("file", type=Path, help="a checkpoint: torch or safetensors")
    parser.add_argument("recipe", help="whose network the weights are of")
    parser.add_argument("--drop", nargs="+", default=[], metavar="PREFIX", help="parts to leave")
    parser.add_argument("--replace", action="store_true", help="also where a training's lie")
    given = parser.parse_args(argv)
    try:
        recipe = load_recipe(given.recipe)
        import_weights(given.file, given.recipe, recipe, given.drop, replace=given.replace)
        add_to_run(given.recipe, recipe)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return follow(given.recipe)


def follow(name: str) -> int:
    """Evaluates, compares, promotes; the exit code of the first of them that fails.

    DVC is told that `train` is done, so that `dvc repro` trains nothing over the weights.
    """
    if places.home() != places.REPOSITORY or not (places.REPOSITORY / ".dvc").is_dir():
        stages = (["evaluate", name], ["compare"], ["promote"])
        commands = [[sys.executable, "-m", f"pipelines.{stage}", *rest] for stage, *rest in stages]
    else:
        told = run_dvc("repro", "--single-item", "code", f"weights@{name}") or run_dvc(
            "commit", "--force", f"train@{name}"
        )
        if told:
            print(f"DVC does not know of the import: `dvc repro train@{name}` would train anew; "
                  f"`dvc commit --force train@{name}` tells it", file=sys.stderr)  # fmt: skip
        last = [f"evaluate@{name}", "compare", "promote"]
        commands = [[*DVC, "repro", "--single-item", stage] for stage in last]
    return next(
        (code for command in commands if (code := run_child(command, places.REPOSITORY))), 0
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
