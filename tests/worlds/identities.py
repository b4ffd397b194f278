"""How well ids stay with people: IDF1 and switches, from true and found ids of each frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from data.ground.sample import Pose
from pipelines.motion.likeness import box_iou

Frames = Sequence[Sequence[Pose]]


class Identities(NamedTuple):
    """idf1: 2 IDTP / (true + found poses), under the best one-to-one assignment of whole tracks
    (Ristani et al., 2016); switches: how often somebody found has another id than before."""

    idf1: float
    switches: int


def identities(truth: Frames, found: Frames, least: float = 0.5) -> Identities:
    """Poses of each frame with ids (found ones of id 0 are nobody's); a pose is somebody's where
    the IoU of boxes is `least` or more."""
    together: Counter[tuple[int, int]] = Counter()
    last: dict[int, int] = {}
    switches = 0
    for true, ours in zip(truth, found, strict=True):
        ours = [pose for pose in ours if pose.id]
        iou = _iou(true, ours)
        for row, column in np.argwhere(iou >= least).tolist():
            together[true[row].id, ours[column].id] += 1
        for row, column in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
            if iou[row, column] >= least:
                switches += last.get(true[row].id, ours[column].id) != ours[column].id
                last[true[row].id] = ours[column].id
    poses = sum(map(len, truth)) + sum(bool(pose.id) for frame in found for pose in frame)
    return Identities(2 * _most(together) / poses if poses else 1.0, switches)


def _iou(true: Sequence[Pose], ours: Sequence[Pose]) -> np.ndarray:
    boxes, others = (
        np.array([pose.box_image for pose in poses], dtype=np.float64).reshape(-1, 4)
        for poses in (true, ours)
    )
    return box_iou(boxes, others)


def _most(together: Counter[tuple[int, int]]) -> int:
    """Frames that whole true and found tracks, each used once, can have in common."""
    rows, columns = (sorted({pair[side] for pair in together}) for side in (0, 1))
    counts = np.array([[together[row, column] for column in columns] for row in rows])
    if not together:
        return 0
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())
