"""Which code decides a result: digests per recipe and data set, so that DVC re-runs no more.

    python -m pipelines.code

Out, in data/store/code: RECIPE/{train,evaluate}.json, datasets/NAME/{fetch,prepare}.json,
stages/{compare,promote}.json. Comments and docstrings change no digest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.digests.deciding import COMMANDS, fetches, prepares, runs, scores, trains
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import whole_folder
from pipelines.recipe.params import load_params
from pipelines.recipe.reader import load_recipe


def main(argv: Sequence[str]) -> int:
    return run_command(Arguments("code", __doc__), argv, lambda _: code())


def code() -> None:
    run = load_params()["run"]
    write_code(list(run["recipes"]), [*run["datasets"], *run.get("mixtures", {})])


def write_code(recipes: Sequence[str], datasets: Sequence[str]) -> None:
    with whole_folder(places.code()) as part:
        for name in datasets:
            write_digests(part / "datasets" / name / "fetch.json", fetches(name))
            write_digests(part / "datasets" / name / "prepare.json", prepares(name))
        for name in recipes:
            recipe = load_recipe(name)
            write_digests(part / name / "train.json", trains(recipe))
            write_digests(part / name / "evaluate.json", scores(recipe))
        for command in COMMANDS:
            write_digests(part / "stages" / f"{Path(command).stem}.json", runs(command))


def write_digests(path: Path, digests: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
