"""COCO keypoint AP and AR, from poses in memory, equal to pycocotools' on any input.

The matching is our own (data/evaluators/oks_matching.py); pycocotools is the referee in the tests
and an engine for whoever doubts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from data.evaluators.matching.matches import OksMatches
from data.evaluators.matching.oks_matching import Range, match
from data.evaluators.matching.people import best_found, refuse_twice, true_people
from data.evaluators.matching.referee import referee, referee_matches
from data.ground.evaluator import Evaluator
from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton

NAMES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
AREAS: dict[str, Range] = {"all": (0, 1e5**2), "M": (32**2, 96**2), "L": (96**2, 1e5**2)}
MOST = 20  # predictions that count in one image
Poses = Mapping[int, Sequence[Pose]]


class OksEvaluator(Evaluator):
    """Predictions find true people by OKS, the best scored first."""

    main: ClassVar[str] = "AP"
    names: ClassVar[tuple[str, ...]] = NAMES

    def __init__(
        self, skeleton: Skeleton, engine: Literal["numpy", "pycocotools"] = "numpy"
    ) -> None:
        if engine not in ("numpy", "pycocotools"):
            raise refusal("engine", given=engine, accepted="numpy, pycocotools")
        self.skeleton, self.engine = skeleton, engine
        self._truth: dict[int, list[Pose]] = {}
        self._predicted: dict[int, list[Pose]] = {}
        self._done: tuple[dict[str, float], OksMatches] | None = None

    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image: truth is all its annotations, crowds and people without keypoints too."""
        refuse_twice(image_id, self._truth)
        self._truth[image_id], self._predicted[image_id] = list(truth), list(predicted)
        self._done = None

    def result(self) -> dict[str, float]:
        """The ten COCO numbers as fractions; -1 where there is nothing to find."""
        return dict(self._evaluated()[0])

    def matches(self) -> OksMatches:
        return self._evaluated()[1]

    def _evaluated(self) -> tuple[dict[str, float], OksMatches]:
        if self._done is None:
            run = by_pycocotools if self.engine == "pycocotools" else by_numpy
            self._done = run(self._truth, self._predicted, self.skeleton.sigmas)
        return self._done


def by_numpy(
    truth: Poses, predicted: Poses, sigmas: Sequence[float]
) -> tuple[dict[str, float], OksMatches]:
    """The ten numbers, and what was matched among people of all areas."""
    found = oks_matches(truth, predicted, sigmas, AREAS)
    numbers = {area: coco_numbers(matches) for area, matches in found.items()}
    ap, recall = numbers["all"][:3], numbers["all"][3:]
    (apm, *_), (apl, *_) = numbers["M"], numbers["L"]
    values = (*ap, apm, apl, *recall, numbers["M"][3], numbers["L"][3])
    return dict(zip(NAMES, values, strict=True)), found["all"]


def by_pycocotools(
    truth: Poses, predicted: Poses, sigmas: Sequence[float]
) -> tuple[dict[str, float], OksMatches]:
    image_ids = sorted(truth)
    best_found(image_ids, [predicted.get(i, ()) for i in image_ids], len(sigmas), MOST)  # refuses
    done = referee(truth, predicted, sigmas)
    values = (float(value) for value in done.stats)
    return dict(zip(NAMES, values, strict=True)), referee_matches(done)


def oks_matches(
    truth: Poses,
    predicted: Poses,
    sigmas: Sequence[float],
    areas: Mapping[str, Range],
    most: int = MOST,
) -> dict[str, OksMatches]:
    """Per area range: who was found by what; images in the order of their ids."""
    image_ids = sorted(truth)
    people = true_people([truth[i] for i in image_ids], len(sigmas))
    by_image = [predicted.get(i, ()) for i in image_ids]
    found = best_found(image_ids, by_image, len(sigmas), most)
    made = match(people, found, len(image_ids), sigmas, list(areas.values()))
    ids = np.array(image_ids, dtype=np.int64)
    return {
        area: OksMatches(ids, positives, found.image_index, found.score, hit, ignored)
        for area, positives, hit, ignored in zip(
            areas, made.positives, made.hit, made.ignored, strict=True
        )
    }


def coco_numbers(matches: OksMatches) -> tuple[float, ...]:
    """AP, AP50, AP75, AR, AR50, AR75; -1 where there is nobody to find."""
    if not matches.positives.any():
        return (-1.0,) * 6
    once = np.ones((1, len(matches.image_ids)), np.int32)
    return tuple(float(value[0]) for value in matches.numbers(once).values())
