"""From painted fields to poses in image pixels: the one way, wherever poses are read.

It travels with every registered model, so it imports nothing but the ground of the data wing:
validation, evaluation, ceiling, exports and the served model run these very lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.ground.codec import Codec
from data.ground.sample import Decoded, Fields, box_around
from data.ground.skeleton import Skeleton

Stages = list[Fields]  # of one pass of a network over images


@dataclass(frozen=True)
class Predictions:
    """Poses in image pixels: sample_id [N], keypoints_image [N, K, 2], scores [N, K].

    In the order of the batches; crops have one pose each, whole images any number of them.
    pose_scores [N]: as the codec scores whole poses, NaN where it does not (crops).
    """

    sample_id: np.ndarray
    keypoints_image: np.ndarray
    scores: np.ndarray
    pose_scores: np.ndarray


def merge_passes(
    codec: Codec, skeleton: Skeleton, plain: Iterable[Stages], mirrored: Iterable[Stages] = ()
) -> Stages:
    """The fields that are decoded: of an image at one or several scales and, for the flip test,
    of its mirror image at the same ones."""
    passes = [*plain, *(codec.mirror(each, skeleton) for each in mirrored)]
    return codec.merge(*passes) if len(passes) > 1 else passes[0]


def in_image(decoded: Decoded, to_image: Tensor, sample_id: Tensor) -> Predictions:
    """Input pixels -> image pixels, by each input's own affine: to_image [B, 2, 3], ids [B]."""
    rows = decoded.batch_index.cpu()
    matrix = to_image[rows].double()  # [N, 2, 3]
    points = decoded.keypoints_input.cpu().double()  # [N, K, 2]
    keypoints_image = points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    scores = decoded.scores.cpu().float()
    whole = decoded.pose_scores
    pose_scores = torch.full((len(rows),), torch.nan) if whole is None else whole.cpu().float()
    return Predictions(
        sample_id[rows].numpy(), keypoints_image.numpy(), scores.numpy(), pose_scores.numpy()
    )


def join(parts: Sequence[Predictions], keypoints: int) -> Predictions:
    """All parts as one; without any, no poses of so many keypoints."""
    if not parts:
        shape = (0, keypoints)
        nothing = np.zeros(0, np.float32)
        return Predictions(
            np.zeros(0, np.int64), np.zeros((*shape, 2)), np.zeros(shape, np.float32), nothing
        )
    columns = ("sample_id", "keypoints_image", "scores", "pose_scores")
    return Predictions(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))


def person_scores(scores: np.ndarray, box_scores: np.ndarray, threshold: float) -> np.ndarray:
    """Of each person [N]: its box's score x the mean of its keypoint scores [N, K] above
    `threshold`, 0 where none is (the SimpleBaseline and HRNet code's rescoring)."""
    above = scores > threshold
    total = np.where(above, scores, 0.0).sum(axis=1, dtype=np.float64)
    return np.asarray(np.asarray(box_scores) * total / np.maximum(above.sum(axis=1), 1))


def best_first(predictions: Predictions) -> list[int]:
    """Rows of poses that the codec scored, the surest first."""
    order: list[int] = np.argsort(-predictions.pose_scores, kind="stable").tolist()
    return order


def span(keypoints: np.ndarray, scores: np.ndarray) -> tuple[float, float, float, float]:
    """The box (x, y, w, h) around the keypoints [K, 2] that were found (score above 0), or all."""
    seen = scores > 0
    return box_around(keypoints[seen] if seen.any() else keypoints)
