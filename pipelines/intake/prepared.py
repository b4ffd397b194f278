"""A prepared data set on disk (`prepare`'s folder): its digest, its images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from data.files.table import Table
from data.ground.json_text import read_object
from data.ground.refusal import refusal
from data.ground.sample import Pose
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake import manifest

Kind = TypeVar("Kind")


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
    """What the tables hold, as a digest. Raises ValueError, with `why`, where there are none, or
    the files of truth are no longer those that they were made of."""
    note = places.prepared(dataset) / "summary.json"
    if not note.is_file():
        both = f"`python -m pipelines.fetch {dataset}` and `python -m pipelines.prepare {dataset}`"
        do = f"run {both} first{why}"
        raise refusal(note, fault="no such file", do=do)
    check_truth(dataset)
    return str(_known(note, dataset, "data_hash", str))


def check_truth(dataset: str) -> None:
    """Raises ValueError where a file of truth is not the one that was prepared: its poses would be
    scored beside the tables of other ones."""
    note = places.prepared(dataset) / "summary.json"
    if note.is_file():
        prepared = _known(note, dataset, "truth_sha256", dict, {})
        _check_files(places.raw(dataset), prepared, "prepared")


def _known(note: Path, dataset: str, key: str, kind: type[Kind], left_out: Any = None) -> Kind:
    """What a prepared data set's summary says. Raises ValueError where it is damaged."""
    do = f"run `python -m pipelines.prepare {dataset}`, which makes it anew"
    value = read_object(note, cut=do).get(key, left_out)
    if not isinstance(value, kind):
        raise refusal(f"{note}: {key}", given=value, accepted=f"a {kind.__name__}", do=do)
    return value


def check_detections(raw: Path, path: Path) -> None:
    """Raises ValueError where a detector's file is not the one that was fetched."""
    note = raw / manifest.DETECTIONS
    if note.is_file():
        fetched = read_object(note, cut=f"remove {raw}, then `make repro`")
        _check_files(
            raw, {n: digest for n, digest in fetched.items() if raw / n == path}, "fetched"
        )


def _check_files(raw: Path, digests: Mapping[str, str], told: str) -> None:
    for name, digest in digests.items():
        path = raw / name
        now = _known_digest(path, *_stamp(path)) if path.is_file() else "gone"
        if now != digest:
            fault = f"is not the file that was {told} (sha256 {digest:.12}, now {now:.12})"
            do = "run `make repro`, which fetches it again and makes what follows anew"
            raise refusal(path, fault=fault, do=do)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@cache
def _known_digest(path: Path, size: int, time_ns: int, inode: int) -> str:
    """sha256; a command that asks several times reads the file once."""
    return file_digest(path)


def image_sizes(prepared: Path, split: str) -> dict[int, tuple[int, int]]:
    """Image id -> (width, height) of the prepared split."""
    table = Table(prepared / split / "images.arrow")
    columns = (table[name].tolist() for name in ("image_id", "width", "height"))
    return {i: (width, height) for i, width, height in zip(*columns, strict=True)}
