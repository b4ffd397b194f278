"""Writes digests of the code that decides each result, so that a change re-runs no more.

Out, in data/store/code: RECIPE/{train,evaluate}.json, datasets/NAME/{fetch,prepare,detect}.json,
stages/{compare,promote}.json. Comments and docstrings change no digest; of params.yaml the entry of
a data set's detector counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.digests.sources import Sources
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import whole_folder
from pipelines.recipe.params import load_params

if TYPE_CHECKING:
    from pipelines.digests.deciding import Deciding


def main(argv: Sequence[str]) -> int:
    return run_command(Arguments("code", __doc__), argv, lambda _: code())


def code() -> None:
    run = load_params()["run"]
    write_code(list(run["recipes"]), [*run["datasets"], *run.get("mixtures", {})])


def write_code(recipes: Sequence[str], datasets: Sequence[str]) -> None:
    """Fills data/store/code, whole or not at all. Raises ValueError for a name on no menu."""
    sources = Sources()
    with whole_folder(places.code()) as folder:
        for name, deciding in deciding_code(recipes, datasets, sources).items():
            write_digests(folder / f"{name}.json", deciding.digests(sources))


def deciding_code(
    recipes: Sequence[str], datasets: Sequence[str], sources: Sources
) -> dict[str, Deciding]:
    """By the file that its digests will stand in."""
    from pipelines.digests.deciding import (
        compares,
        detects,
        fetches,
        prepares,
        promotes,
        scores,
        trains,
    )
    from pipelines.recipe.reader import load_recipe

    code: dict[str, Deciding] = {}
    for name in datasets:
        code[f"datasets/{name}/fetch"] = fetches(name, sources)
        code[f"datasets/{name}/prepare"] = prepares(name, sources)
        code[f"datasets/{name}/detect"] = detects(name, sources)
    for name in recipes:
        recipe = load_recipe(name)
        code[f"{name}/train"] = trains(recipe, sources)
        code[f"{name}/evaluate"] = scores(recipe, sources)
    code["stages/compare"] = compares(datasets, sources)
    code["stages/promote"] = promotes(sources)
    return code


def write_digests(path: Path, digests: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
