"""Where a pose is and how large, from the keypoints that its network is sure of."""

from __future__ import annotations

import numpy as np

from data.ground.sample import Pose

UNSURE = 0.25  # of a pose's best keypoint score: what is below says little of where a body is
PADDING = 0.15  # of the mean side of the keypoints' box, on every side: the median of COCO's boxes
FEWEST = 3  # sure keypoints that tell a size
LEAST = 0.05  # of a pose's own box: keypoints that span less (a line) tell no size
SMALLEST = 1.0  # pixels: sides of nobody are shorter


def weights_of(pose: Pose) -> np.ndarray:
    """[K] float64, 0 and above: how far to trust each keypoint; 0 of what is absent, or no number.

    A network's scores, where there are some, else 1.
    """
    given = pose.keypoint_scores
    scores = np.ones(len(pose.visibility)) if given is None else np.asarray(given, dtype=np.float64)
    finite = np.isfinite(pose.keypoints_image).all(axis=1) & np.isfinite(scores)
    return np.where(finite & (pose.visibility > 0) & (scores > 0), scores, 0.0)


def points_of(pose: Pose) -> np.ndarray:
    """[K, 2] float64, all finite: 0 where there is no number, which weighs nothing."""
    return _finite(np.asarray(pose.keypoints_image, dtype=np.float64))


def box_of(pose: Pose) -> np.ndarray:
    """[4] float64, all finite."""
    return _finite(np.array(pose.box_image, dtype=np.float64))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, 0.0)


def sure(weights: np.ndarray) -> np.ndarray:
    """[K] bool: which keypoints tell where a body is."""
    return np.asarray((weights > 0) & (weights >= UNSURE * weights.max(initial=0.0)))


def span_of(points: np.ndarray, weights: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The box [4] (x, y, w, h) of the sure ones of points [K, 2], sides of a pixel at least.

    Where they tell no size it is `box` [4], the pose's own, if that has one.
    """
    kept = points[sure(weights)]
    own = bool((box[2:] > 0).all())
    if not len(kept):
        return _at_least(box if own else np.zeros(4))
    low, high = kept.min(axis=0), kept.max(axis=0)
    if own and (len(kept) < FEWEST or np.prod(high - low) < LEAST * np.prod(box[2:])):
        return _at_least(box)
    return _at_least(np.concatenate([low, high - low]))


def _at_least(box: np.ndarray) -> np.ndarray:
    sides = np.maximum(box[2:], SMALLEST)
    return np.concatenate([box[:2] - (sides - box[2:]) / 2, sides])


def padded(boxes: np.ndarray) -> np.ndarray:
    """Boxes [..., 4] of keypoints, as a detector would draw them around the whole person."""
    margin = PADDING * boxes[..., 2:].mean(axis=-1, keepdims=True)
    return np.concatenate([boxes[..., :2] - margin, boxes[..., 2:] + 2 * margin], axis=-1)
