"""Poses of many images as arrays: what the evaluators count on."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose

ByImage = Sequence[Sequence[Pose]]  # poses of each image, images in the order of their ids


@dataclass(frozen=True)
class People:
    """N poses, image after image: image_index [N], keypoints [N, K, 2], area [N], score [N],

    and of true ones visible [N, K], box_image [N, 4], crowd [N], and wanted [N]: who is to be
    found, no crowd, and nobody of whom the file counts 0 keypoints, whatever its flags say.
    """

    image_index: np.ndarray
    keypoints_image: np.ndarray
    area: np.ndarray
    score: np.ndarray
    visible: np.ndarray
    box_image: np.ndarray
    crowd: np.ndarray
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.image_index)

    @property
    def labelled(self) -> np.ndarray:
        """Keypoints that flags say are labelled, per pose [N]: what OKS is taken over."""
        return np.asarray(self.visible.sum(axis=1))


def true_people(by_image: ByImage, keypoints: int) -> People:
    poses = [pose for of_image in by_image for pose in of_image]
    seen = [pose.visibility for pose in poses]
    return People(
        _image_index(by_image),
        _points(poses, keypoints),
        np.array([pose.area for pose in poses], dtype=np.float64),
        np.ones(len(poses)),
        np.concatenate([np.zeros(0), *seen]).reshape(-1, keypoints) > 0,
        np.array([pose.box_image for pose in poses], dtype=np.float64).reshape(-1, 4),
        np.array([pose.is_crowd for pose in poses], dtype=bool),
        np.array([not p.is_crowd and p.counted_keypoints != 0 for p in poses], dtype=bool),
    )


def best_found(image_ids: Sequence[int], by_image: ByImage, keypoints: int, most: int) -> People:
    """Each image's `most` best predictions, best first; of equal scores the earlier goes first.

    Their area is that of the box around their keypoints, as COCO reads results. Raises ValueError
    where a keypoint or score is not finite, or a pose has another number of keypoints.
    """
    poses = [pose for of_image in by_image for pose in of_image]
    image, score = _image_index(by_image), np.array([p.score for p in poses], dtype=np.float64)
    points = _points(poses, keypoints)
    _refuse_not_finite(points, score, image, image_ids)
    order = np.lexsort((-score, image))
    first = np.searchsorted(image, np.arange(len(by_image)))
    order = order[np.arange(len(poses)) - first[image] < most]
    points, score, image = points[order], score[order], image[order]
    x, y = points[..., 0], points[..., 1]
    area = (x.max(axis=1) - x.min(axis=1)) * (y.max(axis=1) - y.min(axis=1))
    nothing = np.zeros((len(order), 0))
    nobody = np.zeros(len(order), bool)
    return People(image, points, area, score, nothing > 0, nothing, nobody, nobody)


def refuse_twice(image_id: int, known: Container[int]) -> None:
    """Raises ValueError for an image that an evaluator was given before."""
    if image_id in known:
        do = "give all its poses at once"
        raise refusal(f"image {image_id}", fault="added twice", do=do)


def predictions_by_person(
    image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]
) -> dict[int, Pose]:
    """Predictions by the id of their person. Raises ValueError for two of one, or of nobody."""
    by_id = {pose.id: pose for pose in predicted}
    if len(by_id) != len(predicted) or set(by_id) - {pose.id for pose in truth}:
        raise refusal(
            f"image {image_id}",
            fault=f"predictions of people {[pose.id for pose in predicted]}",
            accepted=f"at most one of each of {[pose.id for pose in truth]} (top-down predictions "
            "from the true boxes)",
        )
    return by_id


def _image_index(by_image: ByImage) -> np.ndarray:
    return np.repeat(np.arange(len(by_image)), [len(of_image) for of_image in by_image])


def _points(poses: Sequence[Pose], keypoints: int) -> np.ndarray:
    each = [pose.keypoints_image for pose in poses]
    if other := sorted(set(map(len, each)) - {keypoints}):
        raise ValueError(
            f"given poses of {', '.join(map(str, other))} keypoints, accepted: {keypoints}, as the "
            "evaluator's skeleton has; evaluate on a data set of that skeleton"
        )
    joined = np.concatenate([np.zeros((0, 2)), *each])
    return joined.astype(np.float64, copy=False).reshape(len(poses), keypoints, 2)


def _refuse_not_finite(
    points: np.ndarray, score: np.ndarray, image: np.ndarray, image_ids: Sequence[int]
) -> None:
    good = np.isfinite(points).all(axis=(1, 2)) & np.isfinite(score)
    if not good.all():
        which = image_ids[int(image[np.argmin(good)])]
        fault = "a predicted pose has keypoints or a score that are not finite"
        do = "look for NaN in the network's output"
        raise refusal(f"image {which}", fault=fault, accepted="numbers", do=do)
