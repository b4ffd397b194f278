"""One row of a json of COCO's kind: what is wrong with it, and the person that it tells of.

The predicates of ids are those of prepare and of the truth alike: what is no id is read by nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from data.ground.json_text import finite, whole
from data.ground.sample import AREA_OF_BOX, LARGEST_AREA, Pose, box_around
from data.ground.skeleton import Skeleton

MOST_COUNTED = 2**31 - 1  # what the tables' column holds; only 0 means anything
NO_ID = "id is no whole number of 64 bits"
Row = Mapping[str, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Rows:
    """What differs between data sets that are json of COCO's kind.

    told: their layout in words; others: names that a file may have for keypoints of ours;
    box_share: a person's area is this share of the box, whatever rows tell; None: what rows tell,
    and where they tell none about what people fill of their boxes. category: what people are
    called; sizes_told: an image without its size is refused, else its file says it.
    """

    skeleton: Skeleton
    told: str = "COCO's official layout"
    others: tuple[tuple[str, str], ...] = ()
    box_share: float | None = None
    category: str = "person"
    sizes_told: bool = True

    def names(self, category: Row) -> tuple[str, ...]:
        known, given = dict(self.others), category.get("keypoints")
        names = given if isinstance(given, list) else ()
        return tuple(known.get(str(name), str(name)) for name in names)

    def keypoints(self, row: Row) -> np.ndarray | None:
        """[K, 3] float64 (x, y, visibility) or None where the row has no such numbers."""
        try:
            values = np.asarray(row.get("keypoints"), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        if values.shape != (3 * len(self.skeleton.keypoints),):
            return None
        return values.reshape(-1, 3) if np.isfinite(values.astype(np.float32)).all() else None

    def area(self, row: Row, keypoints: np.ndarray | None) -> tuple[float | None, str]:
        """(in pixels^2, or None where the row has no such number; what is to be told of it)."""
        box = box_of(row)
        if self.box_share is not None:
            return (None if box is None else self.box_share * (box[2] * box[3])), ""
        if row.get("area") is not None:
            return finite(row["area"]), ""
        if box is not None and box[2] > 0 and box[3] > 0:
            return AREA_OF_BOX * (box[2] * box[3]), f"no area: {AREA_OF_BOX} of its box taken"
        seen = np.zeros((0, 2)) if keypoints is None else keypoints[keypoints[:, 2] > 0, :2]
        *_, width, height = box_around(seen) if len(seen) else (0.0,) * 4
        told = f"no area: {AREA_OF_BOX} of the box around its keypoints taken"
        return AREA_OF_BOX * (width * height), told

    def pose(self, row: Row, keypoints: np.ndarray | None) -> Pose:
        """Without readable keypoints somebody who has none labelled, whatever the row counts."""
        counted = 0 if keypoints is None else _counted(row)
        area, _ = self.area(row, keypoints)
        if keypoints is None:
            keypoints = np.zeros((len(self.skeleton.keypoints), 3))
        return Pose(
            keypoints_image=np.ascontiguousarray(keypoints[:, :2]),
            visibility=np.clip(np.ceil(keypoints[:, 2]), 0, 2).astype(np.int64),
            box_image=box_of(row) or (0.0, 0.0, 0.0, 0.0),
            area=area or 0.0,
            is_crowd=bool(row.get("iscrowd", 0)),
            id=whole(row.get("id")) or 0,
            num_keypoints=counted,
        )

    def image_fault(self, row: Row, seen: Collection[int]) -> str:
        """Why an image cannot be used, "" where it can; seen: ids of rows before it."""
        if fault := id_fault(row, seen):
            return fault
        name = row.get("file_name")
        if not isinstance(name, str) or not name:
            return "no file name"
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            return "file name leaves the folder"
        sides = row.get("width"), row.get("height")
        if any(side is None or side == 0 for side in sides):
            return "no width and height" if self.sizes_told else ""
        if any((whole(side) or 0) <= 0 for side in sides):
            return "width and height are no whole numbers above 0"
        return ""

    def person_fault(self, row: Row, keypoints: np.ndarray | None, seen: Collection[int]) -> str:
        """Why nobody can be trained on such a row, "" where somebody can; seen: ids before it."""
        if fault := id_fault(row, seen):
            return fault
        if keypoints is None:
            values = row.get("keypoints")
            count = 3 * len(self.skeleton.keypoints)
            right = isinstance(values, list) and len(values) == count
            return "not finite: keypoints" if right else "wrong number of values: keypoints"
        if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
            return "visibility other than 0, 1, 2"
        return box_fault(row) or self._area_fault(row, keypoints)

    def _area_fault(self, row: Row, keypoints: np.ndarray | None) -> str:
        area, _ = self.area(row, keypoints)
        if area is None:
            return "not finite: area"
        return "area beyond any image" if area > LARGEST_AREA else ""


def box_of(row: Row) -> Box | None:
    """(x, y, width, height), or None where the row has no four finite numbers."""
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return None
    x, y, width, height = map(finite, box)
    if x is None or y is None or width is None or height is None:
        return None
    return x, y, width, height


def box_fault(row: Row) -> str:
    box = row.get("bbox")
    if box is None:
        return "no box"
    if not isinstance(box, list) or len(box) != 4:
        return "wrong number of values: box"
    return "not finite: box" if box_of(row) is None else ""


def id_fault(row: Row, seen: Collection[int]) -> str:
    """Of an image or a person; seen: ids of rows before it."""
    if row.get("id") is None:
        return "no id"
    number = whole(row["id"])
    if number is None:
        return NO_ID
    return "duplicate id" if number in seen else ""


def counting_note(pose: Pose) -> str:
    """Where the file's number of keypoints and its flags disagree on whether there are any."""
    labelled = bool(pose.visibility.any())
    if pose.num_keypoints is None or labelled == (pose.num_keypoints > 0):
        return ""
    if labelled:
        return "num_keypoints 0 beside labelled keypoints: trained on, not evaluated"
    return "num_keypoints above 0 beside no labelled keypoint: to be found, not trained on"


def _counted(row: Row) -> int | None:
    """num_keypoints where there is such a number: COCO's evaluation asks whether it is 0."""
    number = finite(row.get("num_keypoints"))
    if number is None:
        return None
    return 0 if number == 0 else int(min(max(number, 1), MOST_COUNTED))
