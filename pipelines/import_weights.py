"""Puts somebody's checkpoint into results/RECIPE; with --score evaluates and registers it.

    python -m pipelines.import_weights FILE RECIPE [--score] [--drop PREFIX ...] [--replace]

FILE: torch or safetensors; the weights bare, under `state_dict` or `model`, with or without the
prefixes of wrappers, named as by the authors of the network, by mmpose (0.x and 1.x) or below a
Lightning module. It must fill the recipe's network whole and hold nothing else; --drop names
parts of it that the recipe has no use for (`refinement_stages.1`). The network is fed as the recipe
says: weights that were trained on BGR images need a recipe with `pixels: imagenet_bgr`. What the
recipe itself starts from (`pretrained`) is not fetched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.dvc import dvc_command
from pipelines.host.processes import run_child
from pipelines.recipe.params import add_to_run
from pipelines.recipe.schema import Recipe

if TYPE_CHECKING:
    from pipelines.training.imported import Log

Add = Callable[[str, Recipe], None]  # a recipe to what params.yaml runs
Run = Callable[[Sequence[str]], int]  # a command, run in the repository -> its exit code


def run_here(command: Sequence[str]) -> int:
    return run_child(command, places.REPOSITORY)


def main(
    argv: Sequence[str], log: Log | None = None, add: Add = add_to_run, run: Run = run_here
) -> int:
    arguments = Arguments("import_weights", __doc__)
    arguments.add_argument("file", type=Path, help="a checkpoint: torch or safetensors")
    arguments.add_argument("recipe", help="whose network the weights are of")
    arguments.add_argument("--score", action="store_true", help="evaluate, compare, promote it too")
    arguments.add_argument("--drop", nargs="+", default=[], metavar="PREFIX", help="parts to leave")
    arguments.add_argument("--replace", action="store_true", help="also where a training's lie")
    return run_command(arguments, argv, lambda asked: import_file(asked, log, add, run))


def import_file(asked: argparse.Namespace, log: Log | None, add: Add, run: Run) -> int:
    from pipelines.recipe.reader import load_recipe
    from pipelines.training.imported import import_weights, log_import

    recipe = load_recipe(asked.recipe)
    import_weights(
        asked.file, asked.recipe, recipe, asked.drop, replace=asked.replace, log=log or log_import
    )
    add(asked.recipe, recipe)
    if with_dvc():
        tell_dvc(asked.recipe, run)
    if asked.score:
        return score(asked.recipe, run)
    print(f"next: `make repro RECIPE={asked.recipe}` evaluates, compares and promotes it")
    return 0


def with_dvc() -> bool:
    """Whether results here are DVC's."""
    return places.home() == places.REPOSITORY and (places.REPOSITORY / ".dvc").is_dir()


def score(name: str, run: Run = run_here) -> int:
    """Evaluates, compares, promotes; the exit code of the first of them that fails."""
    if with_dvc():
        stages = [f"evaluate@{name}", "compare", "promote"]
        commands = [dvc_command("repro", "--single-item", stage) for stage in stages]
    else:
        modules = [["pipelines.evaluate", name], ["pipelines.compare"], ["pipelines.promote"]]
        commands = [[sys.executable, "-m", *module] for module in modules]
    return next((code for command in commands if (code := run(command))), 0)


def tell_dvc(name: str, run: Run) -> None:
    """That `train` is done, so that `dvc repro` trains nothing over the weights.

    Nothing was trained, so what the recipe starts from need not be here: a note stands for it.
    """
    from pipelines.training.imported import note_unfetched

    note_unfetched(name)
    before, done = ["repro", "--single-item", "code"], [f"weights@{name}", f"train@{name}"]
    if run(dvc_command(*before)) or run(dvc_command("commit", "--force", *done)):
        print(
            f"DVC does not know of the import: `dvc repro train@{name}` would train anew; "
            f"`dvc commit --force train@{name}` tells it",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
