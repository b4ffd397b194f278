"""What COCO-WholeBody's rows have beside COCO's 17 keypoints: feet, face and hands.

Source: the data set's own description of its format (arrays, their order, the flags). Its files
name none of these keypoints but the feet's; face and hands are numbered here from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.datasets.formats.values import RowError, numbers

NAME = "wholebody"  # the category to ask for
FIRST = "foot_kpts"  # a key by which its rows are known
FACE, HAND = 68, 21
FEET = tuple(
    f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")
)
PARTS = {  # key -> (flag that the part is labelled, names)
    "foot_kpts": ("foot_valid", FEET),
    "face_kpts": ("face_valid", tuple(f"face_{index + 1}" for index in range(FACE))),
    "lefthand_kpts": ("lefthand_valid", tuple(f"left_hand_{i + 1}" for i in range(HAND))),
    "righthand_kpts": ("righthand_valid", tuple(f"right_hand_{i + 1}" for i in range(HAND))),
}
KEYPOINTS = tuple(name for _, names in PARTS.values() for name in names)
COUNT = len(KEYPOINTS)
_FACE_PAIRS = (  # from 0, the person's right first: jaw, brows, nose, eyes, lips
    *((index, 16 - index) for index in range(8)),
    *((17 + index, 26 - index) for index in range(5)),
    *((31 + index, 35 - index) for index in range(2)),
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)),
)
BODY = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
MIRRORED = (
    *((f"left_{part}", f"right_{part}") for part in BODY),
    *((f"left_{part}", f"right_{part}") for part in ("big_toe", "small_toe", "heel")),
    *((f"face_{left + 1}", f"face_{right + 1}") for right, left in _FACE_PAIRS),
    *((f"left_hand_{i + 1}", f"right_hand_{i + 1}") for i in range(HAND)),
)


def extra_keypoints(row: Mapping[str, Any]) -> np.ndarray:
    """[116, 3] x, y in image pixels and visibility; `RowError` where an array is malformed.

    A part that the row calls not valid, or lacks, is absent. Face and hands have fractions as
    flags: any above 0 that is not 1 says that the place is to be trusted, so it is visible.
    """
    parts = []
    for key, (valid, names) in PARTS.items():
        if not row.get(valid, True) or not row.get(key):
            parts.append(np.zeros((len(names), 3)))
            continue
        part = numbers(row[key], 3 * len(names), key).reshape(-1, 3)
        if (part[:, 2] < 0).any():
            raise RowError(f"visibility below 0: {key}")
        part[:, 2] = np.where(np.isin(part[:, 2], (0, 1)), part[:, 2], 2)
        parts.append(part)
    return np.concatenate(parts)
