"""Stage: raw data sets to data/store/raw/DATASET, pretrained weights to data/store/weights/RECIPE.

    python -m pipelines.fetch DATASET
    python -m pipelines.fetch --weights RECIPE

A data set appears whole or not at all, in its official layout, with manifest.json beside it:
{file: bytes}, and the sha256 of every json and mat.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from data import DATASETS
from data.datasets.mixture import Mixture
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.intake.download import bring
from pipelines.intake.sources import (
    bring_detections,
    bring_source,
    draw_people,
    from_home,
    link_members,
    manifest_of,
)
from pipelines.recipe.params import dataset_settings
from pipelines.recipe.reader import load_recipe, recipe_names

USAGE = "usage: python -m pipelines.fetch DATASET | --weights RECIPE"


def main(arguments: Sequence[str]) -> int:
    try:
        match list(arguments):
            case ["--weights", recipe]:
                fetch_weights(recipe)
            case [dataset] if not dataset.startswith("-"):
                fetch(dataset, dataset_settings(dataset))
            case _:
                raise ValueError(f"given {' '.join(arguments)!r}; {USAGE}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def fetch(dataset: str, settings: Mapping[str, Any]) -> None:
    target = places.raw(dataset)
    with whole_folder(target) as folder:
        if isinstance(module := DATASETS[dataset], Mixture):
            (folder / "manifest.json").write_text(json.dumps(link_members(module, folder)))
            return
        if dataset == "stick_figures":
            draw_people(folder, settings)
        else:
            bring_source(dataset, settings.get("source"), folder, target)
        bring_detections(settings.get("detections"), folder)
        manifest = json.dumps(manifest_of(folder), indent=1)
        (folder / "manifest.json").write_text(manifest)
    print(f"{dataset}: {target}")


def fetch_weights(recipe_name: str) -> None:
    """The recipe's pretrained file to its weights folder; without one, a note `none.json`."""
    if recipe_name not in recipe_names():
        raise ValueError(f"no recipe {recipe_name!r}; accepted: {', '.join(recipe_names())}")
    pretrained = load_recipe(recipe_name).pretrained
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
