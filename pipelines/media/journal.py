"""Rows of poses to the disk as they come; whole files of them at the end.

While it runs the folder holds `poses.csv.part`, a table that grows by lines, and `poses.jsonl.part`
and `images.jsonl.part`, a json a line: each is good up to its last whole line, whatever ends the
process. At the end they become `poses.csv`, `poses.json`, `images.json`.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data.files.whole_file import whole_file
from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.media.frame import Frame

PERSON = 1  # COCO's category
POSES, IMAGES, TABLE = "poses.json", "images.json", "poses.csv"
OVERLAYS = "overlays"  # beside them: pictures and videos
PARTS = ("poses.csv.part", "poses.jsonl.part", "images.jsonl.part")


class Journal:
    """Of one run. Keeps nothing in memory but the numbers that photos are named by."""

    def __init__(self, folder: Path, skeleton: Skeleton) -> None:
        """OSError where it cannot be written; ValueError where another run writes there."""
        self._folder, self._skeleton = folder, skeleton
        self._table, self._poses, self._images = (_taken(folder / part) for part in PARTS)
        self._count = 0
        self._numbers: set[int] | None = set()  # None: some image has no number of its own
        _add_cells(self._table, _columns(skeleton))

    def add(self, frame: Frame, poses: Sequence[Pose], moving: bool) -> None:
        """One image and its people, on the disk when this returns."""
        self._count += 1
        self._number(frame, moving)
        height, width = frame.image.shape[:2]
        when = {"frame": frame.index, "seconds": round(frame.seconds, 6)} if moving else {}
        size = {"width": width, "height": height}
        _add_line(self._images, {"id": self._count, "file_name": frame.name, **size, **when})
        for pose in poses:
            track = {"track_id": pose.id} if moving and pose.id else {}
            row = _row(self._count, frame.name, pose, self._skeleton)
            _add_line(self._poses, row | when | track)
            cells = (*when.values(), pose.id or "") if moving else ("", "", "")
            _add_cells(self._table, [frame.name, *cells, *_numbers_of(row)])
        for file in (self._images, self._poses, self._table):
            file.flush()

    def close(self) -> None:
        """Makes the whole files of what came. OSError where they cannot be written."""
        files = (self._table, self._poses, self._images)
        try:
            self._make_whole()
        finally:
            for file in files:
                with suppress(OSError):  # of a full disk, which was told already
                    file.close()

    def _make_whole(self) -> None:
        own = self._numbers is not None
        with whole_file(self._folder / IMAGES) as file:
            file.write(b'{"images": [')
            _copy(_lines(self._images, "id", own), file)
            people = json.dumps([_category(self._skeleton)], ensure_ascii=False)
            file.write(f'],\n"annotations": [], "categories": {people}}}\n'.encode())
        with whole_file(self._folder / POSES) as file:
            file.write(b"[")
            _copy(_lines(self._poses, "image_id", own), file)
            file.write(b"]\n")
        (self._folder / PARTS[0]).replace(self._folder / TABLE)
        for part in PARTS[1:]:
            (self._folder / part).unlink()

    def _number(self, frame: Frame, moving: bool) -> None:
        """COCO's photos are named by their ids; such are kept where all photos have one."""
        number = None if moving else stem_number(frame.name)
        if self._numbers is None or number is None or number in self._numbers:
            self._numbers = None
        else:
            self._numbers.add(number)


def is_drawn(folder: Path) -> bool:
    """Whether a run drew, or draws, what lies there: the overlays beside its rows."""
    if folder.name != OVERLAYS:
        return False
    whole = all((folder.parent / name).is_file() for name in (POSES, IMAGES))
    return whole or any((folder.parent / part).is_file() for part in PARTS)


def stem_number(name: str) -> int | None:
    """`val/000000000785.jpg` -> 785; None for names that are no number above 0 of 64 bits."""
    stem = Path(name).stem
    plain = stem.isascii() and stem.isdigit() and len(stem) <= 18
    return int(stem) or None if plain else None


def _taken(path: Path) -> BinaryIO:
    """Empty, and this process's until it ends."""
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        do = "wait for it, or choose another folder"
        raise refusal(path.parent, fault="another run writes there", do=do) from error
    file.truncate(0)
    return file


def _row(image_id: int, name: str, pose: Pose, skeleton: Skeleton) -> dict[str, Any]:
    """As COCO's results; no `bbox`, for pycocotools would take the rows for boxes."""
    scores = pose.keypoint_scores
    if scores is None:
        scores = (pose.visibility > 0).astype(np.float64)
    columns = np.column_stack([pose.keypoints_image, scores]).astype(np.float64)
    return {
        "image_id": image_id,
        "category_id": PERSON,
        "keypoints": np.nan_to_num(columns, posinf=0.0, neginf=0.0).ravel().tolist(),
        "score": float(pose.score),
        "file_name": name,
        "keypoint_names": list(skeleton.keypoints),
        "box": [float(value) for value in pose.box_image],
    }


def _columns(skeleton: Skeleton) -> list[str]:
    box = ["box_x", "box_y", "box_width", "box_height"]
    points = [f"{name}_{part}" for name in skeleton.keypoints for part in ("x", "y", "score")]
    return ["image", "frame", "seconds", "track_id", "score", *box, *points]


def _numbers_of(row: dict[str, Any]) -> list[float]:
    """To a thousandth of a pixel; scores to a millionth."""
    points = [round(v, 6 if n % 3 == 2 else 3) for n, v in enumerate(row["keypoints"])]
    return [round(row["score"], 6), *(round(value, 3) for value in row["box"]), *points]


def _category(skeleton: Skeleton) -> dict[str, Any]:
    limbs = [[a + 1, b + 1] for a, b in skeleton.limb_indices]  # COCO counts keypoints from 1
    names = list(skeleton.keypoints)
    return {"id": PERSON, "name": "person", "keypoints": names, "skeleton": limbs}


def _add_line(file: BinaryIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _add_cells(file: BinaryIO, cells: Sequence[object]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    file.write(text.getvalue().encode())


def _lines(file: BinaryIO, key: str, own: bool) -> Iterator[bytes]:
    """The journal's lines; with photos' own numbers in `key` where all have them."""
    file.seek(0)
    for line in file:
        row = json.loads(line) if own else {}
        number = stem_number(row["file_name"]) if own else None
        yield json.dumps(row | {key: number}, ensure_ascii=False).encode() if own else line.strip()


def _copy(lines: Iterator[bytes], file: BinaryIO) -> None:
    for n, line in enumerate(lines):
        file.write((b",\n" if n else b"\n") + line)
