"""PCK, AUC and NME of any skeleton: how far keypoints lie from the true ones, in the person's size.

The size is what the skeleton's `reference` says: the longer side of the true box (`box`, mmpose's
convention), the head's size (`head`), or the distance of two true keypoints (of the torso, the
eyes). Numbers as mmpose's PCKAccuracy, AUC and NME average them: PCK is the mean over keypoints of
the share that is found, so that a rare keypoint counts as much as a frequent one; NME the mean
distance of all keypoints. Within a threshold includes it (mmpose: below); AUC is PCK's area from 0
to 0.2 in steps of 0.01 by the trapezium rule, over 0.2 (mmpose's AUC divides by 30 pixels).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from data.evaluators.matching.matches import save_arrays
from data.evaluators.matching.people import predictions_by_person, refuse_twice
from data.ground.evaluator import Evaluator
from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton

STEPS = np.arange(21) / 100  # thresholds, of the person's size
PCK = {"PCK@0.1": 10, "PCK@0.05": 5, "PCK@0.2": 20}  # name -> place among STEPS


@dataclass(frozen=True)
class DistanceMatches:
    """Per image which keypoints were to be found, which were, and how far off they lay.

    image_ids [I]; labelled [I, K] how many people have the keypoint; found [T, I, K] how many of
    these were within each of the STEPS; measured [I] keypoints that were predicted, and distance
    [I] the sum of theirs, in sizes of their people.
    """

    kind: ClassVar[str] = "keypoint_distance"
    image_ids: np.ndarray
    labelled: np.ndarray
    found: np.ndarray
    measured: np.ndarray
    distance: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Keypoints that count, per image [I]."""
        return np.asarray(self.labelled.sum(axis=1), dtype=np.int64)

    def save(self, path: Path) -> None:
        save_arrays(path, self)

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """PCK@0.1 [R] of the images counted `weights` [R, I] times each; NaN: nothing to find."""
        return self.numbers(weights)[KeypointDistanceEvaluator.main]

    def numbers(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """All numbers [R] each, counted as `resampled`; NME is NaN where nobody was predicted."""
        shares = self._shares(weights)  # [T, R]
        area = ((shares[1:] + shares[:-1]) / 2).mean(axis=0)
        measured = weights @ self.measured
        error = np.where(measured > 0, weights @ self.distance / np.maximum(measured, 1), np.nan)
        return {name: shares[place] for name, place in PCK.items()} | {"AUC": area, "NME": error}

    def _shares(self, weights: np.ndarray) -> np.ndarray:
        """[T, R]: the mean over keypoints of the share found, of those that are labelled."""
        wanted = weights @ self.labelled  # [R, K]
        known = np.count_nonzero(wanted, axis=1)
        each = [weights @ found / np.maximum(wanted, 1) for found in self.found]
        sums = np.stack([share.sum(axis=1) for share in each])
        return np.where(known > 0, sums / np.maximum(known, 1), np.nan)


@dataclass(frozen=True)
class _Image:
    """One image's row of `DistanceMatches`."""

    labelled: np.ndarray
    found: np.ndarray
    measured: int
    distance: float


class KeypointDistanceEvaluator(Evaluator):
    """Collects poses per image; predictions answer to true people by `Pose.id`, one each.

    Crowds are left out, and people whose size nothing tells, which `left_out` counts. Who has no
    prediction (his image could not be read) is not found; NME leaves him out.
    """

    main: ClassVar[str] = "PCK@0.1"
    names: ClassVar[tuple[str, ...]] = (*PCK, "AUC", "NME")
    by_person: ClassVar[bool] = True
    falling: ClassVar[tuple[str, ...]] = ("NME",)

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._images: dict[int, _Image] = {}
        self._left_out: Counter[str] = Counter()

    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image. Raises ValueError for predictions of nobody, or that are no numbers."""
        refuse_twice(image_id, self._images)
        by_id = predictions_by_person(image_id, predicted, truth)
        keypoints = len(self.skeleton.keypoints)
        labelled = np.zeros(keypoints, np.int64)
        found = np.zeros((len(STEPS), keypoints), np.int64)
        measured, distance = 0, 0.0
        for pose in truth:
            seen = pose.visibility > 0
            if pose.is_crowd or not seen.any():
                continue
            size = person_size(pose, self.skeleton)
            if not 0 < size < np.inf:
                self._left_out[f"people without {told_reference(self.skeleton)}"] += 1
                continue
            labelled += seen
            if pose.id in by_id:
                away = _distances(image_id, by_id[pose.id], pose)[seen] / size
                found[:, seen] += away <= STEPS[:, None]
                measured, distance = measured + len(away), distance + float(away.sum())
        self._images[image_id] = _Image(labelled, found, measured, distance)

    def result(self) -> dict[str, float]:
        """Fractions, NME in sizes of a person; -1 where nothing is labelled."""
        matches = self.matches()
        once = np.ones((1, len(matches.image_ids)), np.int64)
        values = {name: float(value[0]) for name, value in matches.numbers(once).items()}
        return {name: -1.0 if np.isnan(value) else value for name, value in values.items()}

    def matches(self) -> DistanceMatches:
        ids, keypoints = sorted(self._images), len(self.skeleton.keypoints)
        images = [self._images[i] for i in ids]
        found = [each.found for each in images]
        return DistanceMatches(
            np.array(ids, dtype=np.int64),
            np.array([each.labelled for each in images], dtype=np.int64).reshape(-1, keypoints),
            np.stack(found, axis=1) if found else np.zeros((len(STEPS), 0, keypoints), np.int64),
            np.array([each.measured for each in images], dtype=np.int64),
            np.array([each.distance for each in images], dtype=np.float64),
        )

    def left_out(self) -> Mapping[str, int]:
        return dict(self._left_out)


def person_size(pose: Pose, skeleton: Skeleton) -> float:
    """What distances to a true pose are divided by, in pixels; NaN or 0 where nothing tells it."""
    reference = skeleton.reference
    if reference == "box":
        return float(max(pose.box_image[2:]))
    if reference == "head":
        return float(pose.head_size)
    ends = [skeleton.keypoints.index(name) for name in reference]
    if not (pose.visibility[ends] > 0).all():
        return 0.0
    first, second = pose.keypoints_image[ends]
    return float(np.linalg.norm(first - second))


def told_reference(skeleton: Skeleton) -> str:
    reference = skeleton.reference
    if isinstance(reference, str):
        return f"a {reference}"
    return f"a distance of {' and '.join(reference)}"


def _distances(image_id: int, found: Pose, true: Pose) -> np.ndarray:
    """Pixels [K]; of keypoints that are not labelled they mean nothing."""
    points = found.keypoints_image
    if points.shape != true.keypoints_image.shape or not np.isfinite(points).all():
        fault = f"a predicted pose of shape {list(points.shape)} or not finite"
        accepted = f"{len(true.keypoints_image)} points of numbers"
        do = "look for NaN in the network's output"
        raise refusal(f"image {image_id}", fault=fault, accepted=accepted, do=do)
    return np.asarray(np.linalg.norm(points - true.keypoints_image, axis=1))
