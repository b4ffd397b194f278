"""PCKh as MPII's evaluation in HRNet's code counts it (lib/dataset/mpii.py, `evaluate`).

A keypoint is found where it lies within a share of the head size of the true one. The mean leaves
out pelvis and thorax and weighs each keypoint by how often it is labelled. HRNet's and
SimpleBaseline's "Mean@0.1" reads the threshold 0.11: it stands here as PCKh@0.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from data.evaluators.matching.matches import save_arrays
from data.evaluators.matching.people import predictions_by_person, refuse_twice
from data.ground.evaluator import Evaluator
from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton, load_skeleton

MPII = load_skeleton("mpii")

THRESHOLDS = (0.5, 0.1, 0.11)  # of the head size
LEFT_OUT = ("pelvis", "thorax")
GROUPS = {
    "Head": ("top_head",),
    "Sho": ("left_shoulder", "right_shoulder"),
    "Elb": ("left_elbow", "right_elbow"),
    "Wri": ("left_wrist", "right_wrist"),
    "Hip": ("left_hip", "right_hip"),
    "Knee": ("left_knee", "right_knee"),
    "Ank": ("left_ankle", "right_ankle"),
}
MEANS = tuple(f"PCKh@{threshold:g}" for threshold in THRESHOLDS)
COUNTED = np.array([name not in LEFT_OUT for name in MPII.keypoints])


@dataclass(frozen=True)
class PckhMatches:
    """Per image which keypoints were to be found and which were, all its people together.

    image_ids [I]; labelled [I, 16] how many people have the keypoint; found [T, I, 16] how many of
    these were within each of the THRESHOLDS.
    """

    kind: ClassVar[str] = "pckh"
    image_ids: np.ndarray
    labelled: np.ndarray
    found: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Keypoints that count, per image [I]."""
        return np.asarray(self.labelled[:, COUNTED].sum(axis=1), dtype=np.int64)

    def save(self, path: Path) -> None:
        save_arrays(path, self)

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """PCKh@0.5 [R] of the images counted `weights` [R, I] times each; NaN: nothing to find."""
        found = weights @ self.found[0][:, COUNTED].sum(axis=1)
        wanted = weights @ self.positives
        return np.where(wanted > 0, found / np.maximum(wanted, 1), np.nan)

    def numbers(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """The mean at each of the THRESHOLDS, counted as `resampled`."""
        wanted = weights @ self.positives
        found = [weights @ of[:, COUNTED].sum(axis=1) for of in self.found]
        shares = [np.where(wanted > 0, of / np.maximum(wanted, 1), np.nan) for of in found]
        return dict(zip(MEANS, shares, strict=True))


class PckhEvaluator(Evaluator):
    """Collects poses per image; predictions answer to true people by `Pose.id`, one each.

    MPII tells where each person is: there is nothing to suppress, and who has no prediction (his
    image could not be read) is not found.
    """

    main: ClassVar[str] = "PCKh@0.5"
    names: ClassVar[tuple[str, ...]] = (*MEANS, *GROUPS)
    by_person: ClassVar[bool] = True

    def __init__(self, skeleton: Skeleton = MPII) -> None:
        if skeleton.keypoints != MPII.keypoints:
            fault = f"given skeleton {skeleton.name}"
            accepted = "mpii, whose head boxes it divides by"
            raise refusal("PCKh", fault=fault, accepted=accepted, do="evaluate others by oks")
        self._images: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image. Raises ValueError for predictions of nobody, or people without head size."""
        refuse_twice(image_id, self._images)
        by_id = predictions_by_person(image_id, predicted, truth)
        labelled = np.zeros(len(MPII.keypoints), np.int64)
        found = np.zeros((len(THRESHOLDS), len(labelled)), np.int64)
        for pose in truth:
            seen = pose.visibility > 0
            labelled += seen
            if pose.id in by_id:
                error = scaled_error(image_id, by_id[pose.id].keypoints_image, pose)
                found += [seen & (error <= threshold) for threshold in THRESHOLDS]
        self._images[image_id] = labelled, found

    def result(self) -> dict[str, float]:
        """Fractions; -1 where nothing of a kind is labelled."""
        return numbers(self.matches())

    def matches(self) -> PckhMatches:
        ids = sorted(self._images)
        empty = np.zeros((0, len(MPII.keypoints)), np.int64)
        found = [self._images[i][1] for i in ids]
        return PckhMatches(
            np.array(ids, dtype=np.int64),
            np.stack([self._images[i][0] for i in ids]) if ids else empty,
            np.stack(found, axis=1) if ids else np.stack([empty] * len(THRESHOLDS)),
        )


def scaled_error(image_id: int, points: np.ndarray, pose: Pose) -> np.ndarray:
    """Distances [16] to a true pose in head sizes, both moved to MPII's pixels, from 1."""
    if points.shape != pose.keypoints_image.shape or not np.isfinite(points).all():
        fault = f"a predicted pose of shape {list(points.shape)} or not finite"
        raise refusal(f"image {image_id}", fault=fault, accepted="16 points of numbers")
    if pose.head_size <= 0:
        fault = f"person {pose.id} has no head box, by which PCKh divides"
        do = "evaluate on MPII's `val`, whose gt_valid.mat has them (the json of `train` has none)"
        raise refusal(f"image {image_id}", fault=fault, do=do)
    distance = np.linalg.norm((points + 1.0) - (pose.keypoints_image + 1.0), axis=1)
    return np.asarray(distance / pose.head_size)


def numbers(matches: PckhMatches) -> dict[str, float]:
    labelled, found = matches.labelled.sum(axis=0), matches.found.sum(axis=1)
    shares = found / np.maximum(labelled, 1)  # [T, 16]
    counts = labelled * COUNTED
    total = counts.sum()
    means = [float((row * counts).sum() / total) if total else -1.0 for row in shares]
    groups = {}
    for name, keypoints in GROUPS.items():
        at = [MPII.keypoints.index(keypoint) for keypoint in keypoints]
        some = bool(labelled[at].all())
        groups[name] = float(shares[0][at].mean()) if some else -1.0
    return dict(zip(MEANS, means, strict=True)) | groups
