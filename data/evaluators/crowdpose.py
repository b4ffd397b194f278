"""AP and AR of CrowdPose, as its own crowdposetools counts them, and AP by how crowded images are.

It is COCO's matching with CrowdPose's sigmas and 0.53 of the box for an area. "Easy" are images of
a crowd index below 0.2, "medium" below 0.8, "hard" the rest: what crowdposetools does and papers
print (the paper's text says 0.1 and 0.8). Each is AP of these images alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from data.evaluators.matching.matches import OksMatches
from data.evaluators.matching.people import refuse_twice
from data.evaluators.oks import AREAS, coco_numbers, oks_matches
from data.ground.evaluator import Evaluator
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton, load_skeleton

CROWDPOSE = load_skeleton("crowdpose")

NAMES = ("AP", "AP50", "AP75", "AR", "AR50", "AR75")
BOUNDS = {"AP_easy": (-np.inf, 0.2), "AP_medium": (0.2, 0.8), "AP_hard": (0.8, np.inf)}


class CrowdPoseEvaluator(Evaluator):
    """Collects poses per image; an image without people counts as easy."""

    main: ClassVar[str] = "AP"
    names: ClassVar[tuple[str, ...]] = (*NAMES, *BOUNDS)

    def __init__(self, skeleton: Skeleton = CROWDPOSE) -> None:
        self.skeleton = skeleton
        self._truth: dict[int, list[Pose]] = {}
        self._predicted: dict[int, list[Pose]] = {}
        self._matches: OksMatches | None = None

    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image: truth is all its annotations, of area and crowd index as CrowdPose's."""
        refuse_twice(image_id, self._truth)
        self._truth[image_id], self._predicted[image_id] = list(truth), list(predicted)
        self._matches = None

    def result(self) -> dict[str, float]:
        """Fractions; -1 where there is nobody to find."""
        matches = self.matches()
        numbers = dict(zip(NAMES, coco_numbers(matches), strict=True))
        crowded = np.array([self._index(int(image_id)) for image_id in matches.image_ids])
        weights = [(low <= crowded) & (crowded < high) for low, high in BOUNDS.values()]
        found = matches.resampled(np.stack(weights).astype(np.int32))
        return numbers | {
            name: -1.0 if np.isnan(ap) else float(ap)
            for name, ap in zip(BOUNDS, found, strict=True)
        }

    def matches(self) -> OksMatches:
        if self._matches is None:
            everyone = {"all": AREAS["all"]}
            given = (self._truth, self._predicted, self.skeleton.sigmas, everyone)
            self._matches = oks_matches(*given)["all"]
        return self._matches

    def _index(self, image_id: int) -> float:
        people = self._truth[image_id]
        return people[0].crowd_index if people else 0.0
