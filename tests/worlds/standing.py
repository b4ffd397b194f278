"""Labels as a reader would give them: people standing in rows, a given keypoint layout each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels

FRONT = {  # name -> (x, y) in a box of 100 x 200, of somebody who faces the camera
    "nose": (50, 20), "left_eye": (55, 15), "right_eye": (45, 15), "left_shoulder": (70, 50),
    "right_shoulder": (30, 50), "left_hip": (62, 110), "right_hip": (38, 110),
    "left_ankle": (60, 190), "right_ankle": (40, 190),
}  # fmt: skip
NAMES = tuple(FRONT)


def person(
    *,
    flags: Sequence[int] | None = None,
    names: Sequence[str] = NAMES,
    move: Sequence[float] = (0.0, 0.0),
    noise: np.ndarray | float = 0.0,
    box: tuple[float, float, float, float] | None = (0.0, 0.0, 100.0, 200.0),
    crowd: bool = False,
) -> LabelledPerson:
    """`names`: whose places the keypoints have, in order; `move`: of points and box; `noise`: of
    points alone, [K, 2]."""
    points = np.array([FRONT[name] for name in names], float) + np.asarray(move) + noise
    moved = None if box is None else (box[0] + move[0], box[1] + move[1], box[2], box[3])
    visibility = np.full(len(names), 2) if flags is None else np.array(flags)
    return LabelledPerson(points, visibility, moved, is_crowd=crowd)


def labels_of(
    images: Sequence[Sequence[LabelledPerson]],
    keypoints: Sequence[str] = NAMES,
    *,
    size: tuple[int, int] = (640, 480),
    mirrored: tuple[tuple[str, str], ...] = (),
    limbs: tuple[tuple[str, str], ...] = (),
) -> Labels:
    """One image per list of people: 1.jpg, 2.jpg, ..."""
    rows = tuple(
        LabelledImage(f"{n}.jpg", *size, tuple(people), id=str(n))
        for n, people in enumerate(images, 1)
    )
    return Labels("person", tuple(keypoints), rows, limbs, mirrored)
