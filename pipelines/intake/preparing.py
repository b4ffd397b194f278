"""A raw data set, every row and image checked once, to tables: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.intake.given_names import given_names
from pipelines.intake.preview import write_preview
from pipelines.intake.quarantine import refuse_bad_rows, write_quarantine
from pipelines.intake.splits import Split, read_split, weigh
from pipelines.intake.summary import summarise
from pipelines.intake.tables import write_split
from pipelines.recipe.datasets import data_set


def prepare(
    dataset: str, bad_row_limit: float, weights: object = None, turned: bool = False
) -> None:
    """Raises ValueError where the raw data are not there, or too bad to be used.

    weights: of a data set's members, how often each of their people is trained on in an epoch.
    turned: photos are read as their EXIF says, not as they are stored.
    """
    kind, raw, target = data_set(dataset), places.raw(dataset), places.prepared(dataset)
    shares = kind.check_weights(weights, f"params.yaml: datasets.{dataset}.weights")
    if not raw.is_dir():
        do = f"run `python -m pipelines.fetch {dataset}`"
        raise refusal(raw, fault="no such folder", do=do)
    with whole_folder(target) as folder:
        splits = []
        for name in kind.SPLITS:
            with given_names(raw):
                split = read_split(kind, dataset, name, raw, turned)
            weigh(split, kind, shares)
            write_split(folder / name, split, kind.SKELETON)
            splits.append(split)
        rejected = [row for split in splits for row in split.rejected]
        write_quarantine(folder / "quarantine.csv", rejected)
        refuse_bad_rows(folder / "quarantine.csv", target, splits, bad_row_limit)
        write_preview(folder / "preview.png", folder, raw, kind)
        summary = summarise(folder, dataset, splits)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(_told(dataset, splits))


def _told(dataset: str, splits: Sequence[Split]) -> str:
    lines = [f"{dataset}: {places.prepared(dataset)}"]
    for split in splits:
        lines.append(
            f"  {split.name}: {len(split.images):,} images, {split.persons:,} persons, "
            f"{len(split.people):,} to train on, {len(split.unusable):,} rows in quarantine"
        )
        lines += [f"    {count:,} x {note}" for note, count in split.counts["notes"].items()]
    return "\n".join(lines)
