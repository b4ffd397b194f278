"""CrowdPose's numbers: pycocotools' over the same images, with CrowdPose's sigmas and areas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.evaluators import load_matches
from data.evaluators.crowdpose import CrowdPoseEvaluator
from data.evaluators.matching.referee import referee
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton

CROWDPOSE = load_skeleton("crowdpose")

Poses = dict[int, list[Pose]]


def person(rng: np.random.Generator, crowd_index: float) -> Pose:
    start, size = rng.uniform(0, 300, 2), rng.uniform(20, 300, 2)
    points = start + rng.random((14, 2)) * size
    box = (float(start[0]), float(start[1]), float(size[0]), float(size[1]))
    visibility = rng.integers(0, 3, 14) * (rng.random() > 0.1)
    return Pose(points, visibility, box, 0.53 * box[2] * box[3], crowd_index=crowd_index)


def drawn(seed: int, images: int = 30) -> tuple[Poses, Poses]:
    """People in images of all crowd indices, and guesses near them, some of nobody."""
    rng = np.random.default_rng(seed)
    truth, predicted = {}, {}
    for image_id in range(1, images + 1):
        index = float(rng.choice([0.0, 0.1, 0.19, 0.2, 0.5, 0.79, 0.8, 1.0]))
        truth[image_id] = [person(rng, index) for _ in range(rng.integers(1, 6))]
        guesses = [*truth[image_id], person(rng, 0.0)]
        predicted[image_id] = [guess(rng, pose) for pose in guesses if rng.random() < 0.9]
    return truth, predicted


def guess(rng: np.random.Generator, pose: Pose) -> Pose:
    noise = rng.normal(0, np.sqrt(pose.area) * rng.choice([0.01, 0.05, 0.2]), (14, 2))
    return replace(pose, keypoints_image=pose.keypoints_image + noise, score=float(rng.random()))


def result(truth: Poses, predicted: Poses) -> CrowdPoseEvaluator:
    evaluator = CrowdPoseEvaluator(CROWDPOSE)
    for image_id, people in truth.items():
        evaluator.add(image_id, predicted.get(image_id, []), people)
    return evaluator


@pytest.mark.parametrize("seed", range(3))
def test_numbers_equal_pycocotools_over_the_same_images(seed: int) -> None:
    truth, predicted = drawn(seed)
    ours = result(truth, predicted).result()
    stats = referee(truth, predicted, CROWDPOSE.sigmas).stats
    assert [ours[name] for name in ("AP", "AP50", "AP75", "AR", "AR50", "AR75")] == pytest.approx(
        [stats[n] for n in (0, 1, 2, 5, 6, 7)], abs=1e-12
    )
    bounds = {"AP_easy": (0, 0.2), "AP_medium": (0.2, 0.8), "AP_hard": (0.8, 2)}
    for name, (low, high) in bounds.items():
        some = {i: people for i, people in truth.items() if low <= people[0].crowd_index < high}
        only = {i: predicted[i] for i in some}
        assert ours[name] == pytest.approx(
            referee(some, only, CROWDPOSE.sigmas).stats[0], abs=1e-12
        )
    assert len({round(value, 6) for value in ours.values()}) > 6


def test_without_crowded_images_hard_is_minus_one(tmp_path: Path) -> None:
    truth, predicted = drawn(1)
    calm = {i: people for i, people in truth.items() if people[0].crowd_index < 0.2}
    evaluator = result(calm, predicted)
    numbers = evaluator.result()
    assert numbers["AP_hard"] == numbers["AP_medium"] == -1.0
    assert numbers["AP_easy"] == numbers["AP"] and set(numbers) == set(evaluator.names)
    evaluator.matches().save(tmp_path / "m.npz")
    once = np.ones((1, len(calm)), np.int32)
    assert load_matches(tmp_path / "m.npz").resampled(once)[0] == numbers[evaluator.main]
    assert set(CrowdPoseEvaluator(CROWDPOSE).result().values()) == {-1.0}
    with pytest.raises(ValueError, match="added twice"):
        evaluator.add(next(iter(calm)), [], [])
