"""Brings a raw data set, or the weights that a recipe starts from.

    python -m pipelines.fetch DATASET
    python -m pipelines.fetch --weights RECIPE

Out: data/store/raw/DATASET, whole or not at all, in its official layout, with manifest.json beside
it ({file: bytes}, and the sha256 of every json and mat); data/store/weights/RECIPE.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import whole_folder
from pipelines.intake import manifest
from pipelines.intake.download import bring
from pipelines.intake.sources import bring_raw, from_home
from pipelines.recipe.params import dataset_settings
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Pretrained


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("fetch", __doc__)
    either = arguments.add_mutually_exclusive_group(required=True)
    either.add_argument("dataset", nargs="?", help="a data set of the menu and of params.yaml")
    either.add_argument("--weights", metavar="RECIPE", help="the weights that it starts from")
    return run_command(arguments, argv, act)


def act(options: Namespace) -> None:
    if options.weights is None:
        fetch(options.dataset, dataset_settings(options.dataset))
    else:
        fetch_weights(options.weights, load_recipe(options.weights).pretrained)


def fetch(dataset: str, settings: Mapping[str, Any]) -> None:
    with whole_folder(places.raw(dataset)) as folder:
        content = json.dumps(bring_raw(dataset, settings, folder), indent=1)
        (folder / manifest.NAME).write_text(content)
    print(f"{dataset}: {places.raw(dataset)}")


def fetch_weights(recipe_name: str, pretrained: Pretrained | None) -> None:
    """The recipe's pretrained file to its weights folder; without one, a note `none.json`."""
    with whole_folder(places.weights(recipe_name)) as folder:
        if pretrained is None:
            (folder / "none.json").write_text('{"pretrained": null}\n')
            return
        name = PurePosixPath(pretrained.source).name
        try:
            kept = places.weights(recipe_name).with_name(".downloads") / recipe_name / name
            bring(from_home(pretrained.source), kept, pretrained.sha256)
            kept.replace(folder / name)
        except ValueError as error:
            raise ValueError(
                f"recipes/{recipe_name}.yaml: pretrained: {error}; to go without, set "
                f"`pretrained: null` in recipes/{recipe_name}.yaml (trains from scratch)"
            ) from error
    print(f"{recipe_name}: {places.weights(recipe_name) / name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
