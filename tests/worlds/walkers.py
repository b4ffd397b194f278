"""People of any skeleton who walk, as poses of one frame after another; and what spoils them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.ground.sample import Pose, box_around

FPS = 25.0
Frames = list[list[Pose]]


@dataclass(frozen=True)
class Walker:
    """Who goes from `start` at `speed` pixels a second, `size` high, limbs swinging once a second.

    frames: in which they are in the picture, from and until.
    """

    start: tuple[float, float]
    speed: tuple[float, float]
    size: float = 120.0
    frames: tuple[int, int] = (0, 10_000)


def walk(walkers: Sequence[Walker], frames: int, keypoints: int = 17, fps: float = FPS) -> Frames:
    """True poses with ids 1, 2, ... by walker; scores 1, boxes a tenth wider than keypoints."""
    rng = np.random.default_rng(keypoints)
    bodies = rng.uniform(0, 1, (len(walkers), keypoints, 2)) * [0.4, 1.0]
    swing = rng.normal(0, 0.03, (len(walkers), keypoints, 2))
    return [
        [
            _pose(walker, bodies[row] + swing[row] * np.sin(2 * np.pi * n / fps), n / fps, row + 1)
            for row, walker in enumerate(walkers)
            if walker.frames[0] <= n < walker.frames[1]
        ]
        for n in range(frames)
    ]


def _pose(walker: Walker, body: np.ndarray, seconds: float, number: int) -> Pose:
    points = body * walker.size + walker.start + np.array(walker.speed) * seconds
    x, y, width, height = box_around(points)
    margin = 0.1 * walker.size
    box = x - margin, y - margin, width + 2 * margin, height + 2 * margin
    many = len(points)
    return Pose(points, np.full(many, 2), box, id=number, keypoint_scores=np.ones(many))


def spoiled(
    frames: Frames,
    seed: int,
    noise: float = 0.015,
    lost: float = 0.08,
    unseen: float = 0.15,
    false: float = 0.3,
    size: tuple[int, int] = (640, 480),
) -> Frames:
    """What a network might make of true poses, without their ids, in any order.

    noise: of keypoints, in box heights; lost, unseen: share of people, of keypoints that are not
    found; false: how many a frame are nobody, of low scores.
    """
    rng = np.random.default_rng(seed)
    found = []
    for truth in frames:
        poses = [_found(pose, rng, noise, unseen) for pose in truth if rng.random() >= lost]
        if truth:
            poses += [_nobody(truth[0], rng, size) for _ in range(rng.poisson(false))]
        found.append([poses[row] for row in rng.permutation(len(poses))])
    return found


def _found(pose: Pose, rng: np.random.Generator, noise: float, unseen: float) -> Pose:
    many = len(pose.visibility)
    seen = (pose.visibility > 0) & (rng.random(many) >= unseen)
    scores = np.where(seen, rng.uniform(0.4, 0.9, many), rng.uniform(0.0, 0.15, many))
    pixels = noise * pose.box_image[3]
    astray = rng.uniform(0, 1, (many, 2)) * pose.box_image[2:] + pose.box_image[:2]
    points = np.where(seen[:, None], pose.keypoints_image, astray)
    points = points + rng.normal(0, pixels, (many, 2))
    x, y, width, height = (float(v + rng.normal(0, 2 * pixels)) for v in pose.box_image)
    box = x, y, max(width, 1.0), max(height, 1.0)
    return Pose(points, np.full(many, 2), box, score=float(scores.mean()), keypoint_scores=scores)


def _nobody(like: Pose, rng: np.random.Generator, size: tuple[int, int]) -> Pose:
    many = len(like.visibility)
    corner, sides = rng.uniform(0, 0.8, 2) * size, rng.uniform(0.1, 0.5, 2) * size
    points = corner + rng.uniform(0, 1, (many, 2)) * sides
    scores = rng.uniform(0.0, 0.2, many)
    box = float(corner[0]), float(corner[1]), float(sides[0]), float(sides[1])
    return replace(
        like, keypoints_image=points, visibility=np.full(many, 2), box_image=box, id=0,
        score=float(scores.mean()), keypoint_scores=scores,
    )  # fmt: skip
