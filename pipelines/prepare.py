"""Checks every row and image of a raw data set once and writes its tables.

    python -m pipelines.prepare DATASET

In: data/store/raw/DATASET, its entry in params.yaml. Out, whole or not at all:
data/store/prepared/DATASET with SPLIT/{images,persons,ignore}.arrow, quarantine.csv, summary.json,
preview.png. With `regions` of params.yaml also data/store/regions/DATASET: photos cut without loss
into pieces, of which training reads what a view sees; and beside it DATASET.json, what is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from data.ground.refusal import refusal
from pipelines.host.command import Arguments, run_command
from pipelines.intake.preparing import prepare
from pipelines.intake.tiled import leave_tiles
from pipelines.recipe.params import dataset_settings
from pipelines.recipe.regions import splits_in_pieces

Settings = Mapping[str, Any]


def main(argv: Sequence[str], read: Callable[[str], Settings] = dataset_settings) -> int:
    """`read`: a data set's settings by its name."""
    arguments = Arguments("prepare", __doc__)
    arguments.add_argument("dataset", help="a data set of the menu and of params.yaml")
    return run_command(arguments, argv, lambda options: act(options.dataset, read(options.dataset)))


def act(dataset: str, settings: Settings) -> None:
    limit, turned = bad_row_limit(dataset, settings), turns_photos(dataset, settings)
    prepare(dataset, limit, settings.get("weights"), turned)
    leave_tiles(dataset, partial(splits_in_pieces, dataset))


def bad_row_limit(dataset: str, settings: Settings) -> float:
    limit = settings.get("bad_row_limit", 0.0)
    if not isinstance(limit, int | float) or not 0 <= limit <= 1:
        where = f"params.yaml: datasets.{dataset}.bad_row_limit"
        raise refusal(where, given=limit, accepted="a share from 0 to 1")
    return float(limit)


def turns_photos(dataset: str, settings: Settings) -> bool:
    """Whether photos are read as their EXIF turns them, or stored, as COCO's tools read them."""
    exif = settings.get("exif", "stored")
    if exif not in ("stored", "apply"):
        where = f"params.yaml: datasets.{dataset}.exif"
        raise refusal(where, given=exif, accepted="stored (the default), apply")
    return bool(exif == "apply")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
