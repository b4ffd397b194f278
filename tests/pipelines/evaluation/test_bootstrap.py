"""The weighted AP is pycocotools' own, and the interval knows a gain from chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.evaluators.matching.matches import OksMatches
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.evaluation.bootstrap import (
    draw_weights,
    intervals,
    paired_interval,
    paired_intervals,
)

COCO = load_skeleton("coco")

IMAGES = 40


def people(seed: int) -> dict[int, list[Pose]]:
    rng = np.random.default_rng(seed)
    return {
        image: [person(rng, image * 10 + n) for n in range(rng.integers(0, 4))]
        for image in range(1, IMAGES + 1)
    }


def person(rng: np.random.Generator, number: int) -> Pose:
    corner = rng.uniform(0, 300, 2)
    keypoints = corner + rng.uniform(0, 100, (17, 2))
    visibility = rng.choice([0, 2], 17, p=[0.2, 0.8])
    if rng.random() < 0.1:
        visibility[:] = 0  # a person that is not to be found and is ignored
    return Pose(keypoints, visibility, (*corner, 100.0, 100.0), 8000.0, id=number)


def evaluator(noise: float, seed: int = 1, repeats: np.ndarray | None = None) -> OksEvaluator:
    """Predictions around the truth; with `repeats` each image stands that often in the set."""
    found, rng = OksEvaluator(COCO), np.random.default_rng(seed + 100)
    number = 0
    for index, (_, truth) in enumerate(people(seed).items()):
        predicted = [guess(rng, pose, noise) for pose in truth]
        predicted += [guess(rng, person(rng, 0), noise) for _ in range(rng.integers(0, 3))]
        for _ in range(1 if repeats is None else repeats[index]):
            number += 1
            again = [replace(pose, id=number * 100 + n) for n, pose in enumerate(truth)]
            found.add(number, predicted, again)
    return found


def guess(rng: np.random.Generator, pose: Pose, noise: float) -> Pose:
    shaken = pose.keypoints_image + rng.normal(0, noise, (17, 2))
    score = round(float(rng.random()), 1)  # equal scores are common: order matters
    present = np.full(17, 2)
    return Pose(shaken, present, pose.box_image, pose.area, score=score)


@pytest.mark.parametrize("noise", [2.0, 6.0, 12.0])
def test_all_weights_one_is_coco_ap_to_the_last_bit(noise: float) -> None:
    given = evaluator(noise)
    ap = given.matches().resampled(np.ones((2, IMAGES), np.int32))
    assert 0.0 < given.result()["AP"] < 1.0
    assert ap[0] == ap[1] == given.result()["AP"]


def test_a_resample_is_coco_ap_of_the_images_repeated() -> None:
    matches = evaluator(6.0).matches()
    weights = next(draw_weights(IMAGES, 3, seed=4))
    assert weights.sum(axis=1).tolist() == [IMAGES] * 3
    for row, ap in zip(weights, matches.resampled(weights), strict=True):
        assert ap == pytest.approx(evaluator(6.0, repeats=row).result()["AP"], abs=1e-12)


def test_nothing_found_is_zero_and_nobody_to_find_is_nan() -> None:
    matches = evaluator(6.0).matches()
    missed = replace(matches, hit=np.zeros_like(matches.hit))
    assert missed.resampled(np.ones((1, IMAGES), np.int32)).tolist() == [0.0]
    empty = replace(matches, positives=np.zeros_like(matches.positives))
    assert np.isnan(empty.resampled(np.ones((1, IMAGES), np.int32))).all()


def test_the_interval_knows_a_gain_from_chance() -> None:
    good, bad = evaluator(4.0).matches(), evaluator(9.0).matches()
    asked = {"resamples": 300, "confidence": 0.95, "seed": 1}
    gain = paired_interval(good, bad, **asked)
    assert 0 < gain.low < gain.difference < gain.high
    assert gain == paired_interval(good, bad, **asked), "the seed decides"
    nothing = paired_interval(good, good, **asked)
    assert nothing.low == nothing.difference == nothing.high == 0.0
    back = paired_interval(bad, good, **asked)
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))


def test_other_images_are_refused() -> None:
    one: OksMatches = evaluator(4.0).matches()
    other = replace(one, image_ids=one.image_ids + 1)
    with pytest.raises(ValueError, match="evaluate both on the same data set"):
        paired_interval(one, other, resamples=100, confidence=0.95, seed=1)


def test_another_kind_of_matches_is_refused() -> None:
    class Others(OksMatches):
        kind = "others"

    one = evaluator(4.0).matches()
    with pytest.raises(ValueError, match="scored by other evaluators"):
        paired_interval(one, Others(**vars(one)), resamples=100, confidence=0.95, seed=1)


def test_every_number_has_its_interval() -> None:
    good, bad = evaluator(4.0), evaluator(9.0)
    asked = {"resamples": 200, "confidence": 0.9, "seed": 1}
    own = intervals(good.matches(), **asked)
    for name, interval in own.items():
        assert interval.difference == good.result()[name]
        assert interval.low <= interval.difference <= interval.high
    assert own["AP"].low < own["AP"].high
    both = paired_intervals(good.matches(), bad.matches(), **asked)
    assert list(both) == ["AP", "AP50", "AP75", "AR", "AR50", "AR75"]
    assert both["AP"] == paired_interval(good.matches(), bad.matches(), **asked)
    assert both["AR"].difference == good.result()["AR"] - bad.result()["AR"]
