"""How alike people expected and people found are: OKS of what both see, and IoU of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.ground.sample import AREA_OF_BOX, Pose
from pipelines.motion.extent import box_of, padded, points_of, span_of, weights_of


class Bodies(NamedTuple):
    """points [N, K, 2] with weights [N, K] (0: not seen), spans [N, 4]: their padded boxes."""

    points: np.ndarray
    weights: np.ndarray
    spans: np.ndarray


def bodies_of(poses: Sequence[Pose]) -> Bodies:
    """Of one pose at least."""
    points = np.stack([points_of(pose) for pose in poses])
    weights = np.stack([weights_of(pose) for pose in poses])
    boxes = [box_of(pose) for pose in poses]
    spans = [span_of(*each) for each in zip(points, weights, boxes, strict=True)]
    return Bodies(points, weights, padded(np.stack(spans)))


def likeness(ours: Bodies, theirs: Bodies, sigmas: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """[N, M], 0 to 1: the mean of OKS and IoU, or IoU alone where no keypoint is seen by both.

    doubt [N]: variance in pixels^2 of where each of ours is, as OKS excuses it.
    """
    iou = box_iou(ours.spans, theirs.spans)
    oks, common = weighted_oks(ours, theirs, sigmas, doubt)
    return np.asarray(np.where(common, (oks + iou) / 2, iou))


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU [N, M] of boxes [N, 4] and [M, 4] (x, y, w, h), sides above 0."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    ends, other_ends = boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]
    high = np.minimum(ends[:, None], other_ends[None])
    both = np.prod(np.maximum(high - low, 0.0), axis=2)
    either = np.prod(boxes[:, 2:], axis=1)[:, None] + np.prod(others[:, 2:], axis=1)[None] - both
    return np.asarray(both / either)


def weighted_oks(
    ours: Bodies, theirs: Bodies, sigmas: np.ndarray, doubt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(OKS [N, M], whether any keypoint is seen by both [N, M]), area: of our spans (COCO).

    A keypoint counts by the geometric mean of its two weights, so that what one side guessed
    matters little.
    """
    counts = np.sqrt(ours.weights[:, None] * theirs.weights[None])
    areas = AREA_OF_BOX * np.prod(ours.spans[:, 2:], axis=1)
    spread = areas[:, None] * (2 * sigmas) ** 2 + doubt[:, None]
    squared = np.square(ours.points[:, None] - theirs.points[None]).sum(axis=3)
    near = np.exp(-squared / (2 * spread[:, None]))
    total = counts.sum(axis=2)
    common = total > 0
    return (counts * near).sum(axis=2) / np.where(common, total, 1.0), common
