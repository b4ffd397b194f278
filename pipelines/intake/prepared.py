"""A prepared data set on disk (`prepare`'s folder): its digest, its images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from data.files.table import Table
from data.ground.refusal import refusal
from data.ground.sample import Pose
from pipelines.host import places


def image_files(prepared: Path, raw: Path, split: str) -> dict[int, Path]:
    """Image id -> file, of all readable images of the split."""
    images = Table(prepared / split / "images.arrow")
    return {int(i): raw / path for i, path in zip(images["image_id"], images["path"], strict=True)}


def person_pose(persons: Table, row: int) -> Pose:
    """A row of the split's persons.arrow: keypoints_image [K, 2], visibility [K], box, id."""
    x, y, width, height = (float(value) for value in persons["box_image"][row])
    return Pose(
        persons["keypoints_image"][row].reshape(-1, 2).astype(np.float64),
        persons["visibility"][row].astype(np.int64),
        (x, y, width, height),
        id=int(persons["person_id"][row]),
    )


def data_hash(dataset: str, why: str = "") -> str:
    """What the tables hold, as a digest. Raises ValueError, with `why`, where there are none."""
    note = places.prepared(dataset) / "summary.json"
    if not note.is_file():
        do = f"run `dvc repro prepare@{dataset}` first{why}"
        raise refusal(note, fault="no such file", do=do)
    return str(json.loads(note.read_text())["data_hash"])


def image_sizes(prepared: Path, split: str) -> dict[int, tuple[int, int]]:
    """Image id -> (width, height) of the prepared split."""
    table = Table(prepared / split / "images.arrow")
    columns = (table[name].tolist() for name in ("image_id", "width", "height"))
    return {i: (width, height) for i, width, height in zip(*columns, strict=True)}
