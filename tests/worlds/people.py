"""Truth and predictions as odd as they come: ties, crowds, copies, strange boxes and areas."""

from __future__ import annotations

import numpy as np

from data.ground.sample import Pose
from data.ground.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco")

People = dict[int, list[Pose]]
AREAS = (0.0, -5.0, 1e-30, 1023.999, 1024.0, 9216.0, 9216.001, 2e10)


def skeleton_of(keypoints: int, seed: int = 0) -> Skeleton:
    if keypoints == len(COCO.keypoints):
        return COCO
    sigmas = tuple(np.random.default_rng(seed).uniform(0.01, 0.2, keypoints))
    return Skeleton("some", tuple(map(str, range(keypoints))), (), (), sigmas, ())


def world(seed: int) -> tuple[Skeleton, People, People]:
    """(skeleton, truth, predictions) of 0 to 13 images, 0 to 35 predictions each."""
    rng = np.random.default_rng(seed)
    skeleton = skeleton_of(int(rng.choice([17, 17, 14, 16, 3, 1])), seed)
    truth: People = {}
    predicted: People = {}
    for image in rng.permutation(1000)[: int(rng.integers(0, 14))].tolist():
        truth[image] = crowd(rng, len(skeleton.keypoints))
        count = int(rng.choice([0, 1, 4, 19, 20, 21, 35]))
        predicted[image] = [guess(rng, truth[image], len(skeleton.keypoints)) for _ in range(count)]
    return skeleton, truth, predicted


def crowd(rng: np.random.Generator, keypoints: int) -> list[Pose]:
    people: list[Pose] = []
    for _ in range(int(rng.choice([0, 0, 1, 2, 3, 5, 9, 17]))):
        people.append(person(rng, keypoints))
        if rng.random() < 0.2:  # twice the same person: equal OKS
            one = people[-1]
            again = bool(rng.random() < 0.3)
            people.append(Pose(one.keypoints_image.copy(), one.visibility, one.box_image, one.area,
                               again))  # fmt: skip
    return people


def person(rng: np.random.Generator, keypoints: int) -> Pose:
    size = float(rng.choice([10, 30, 32, 60, 96, 200]))
    points = rng.uniform(0, 300, 2) + rng.uniform(0, size, (keypoints, 2))
    visibility = rng.integers(0, 3, keypoints) * int(rng.random() > 0.15)
    if rng.random() < 0.3:  # few keypoints: OKS of exactly 0.5, 0.75
        visibility = np.where(np.arange(keypoints) < rng.integers(0, 5), 2, 0)
    width, height = (float(side) for side in rng.choice([size, 0.0, -3.0], 2))
    x, y = (float(low) for low in points.min(axis=0))
    area = float(rng.choice([size**2, size**2 / 2, *AREAS]))
    return Pose(points, visibility, (x, y, width, height), area, bool(rng.random() < 0.15))


def guess(rng: np.random.Generator, people: list[Pose], keypoints: int) -> Pose:
    points = rng.uniform(0, 300, (keypoints, 2))
    if people and rng.random() < 0.8:
        points = people[rng.integers(len(people))].keypoints_image.copy()
        noise = rng.choice([0.0, 1.0, 4.0, 12.0, 60.0])
        points += rng.normal(0, noise, points.shape) if noise else 0.0
        points[rng.random(keypoints) < rng.choice([0.0, 0.25, 0.5])] += 1e5
    if rng.random() < 0.05:
        points[:] = points[0]
    if rng.random() < 0.1:
        points = points.astype(np.float32)
    score = float(rng.choice([0.0, -0.0, 0.25, 0.5, 0.5, -1.0, rng.random()]))
    return Pose(points, np.full(keypoints, 2), score=score)
