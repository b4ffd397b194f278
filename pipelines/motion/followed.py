"""A person who is followed: where the last look left them, and where they are some time later."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from data.ground.sample import Pose
from pipelines.motion.extent import box_of, padded, points_of, span_of, sure, weights_of
from pipelines.motion.kalman import Motion

FORGETTING = 0.25  # seconds in which what was seen of a keypoint loses half its weight


@dataclass(frozen=True)
class Followed:
    """points [K, 2] with weights [K]: what is remembered of the body, also where the last look did
    not show it; box [4]: of the pose itself; unseen: seconds since that look; missed: whether a
    frame went by without; box_score: how sure who found them was."""

    id: int
    motion: Motion
    points: np.ndarray
    weights: np.ndarray
    box: np.ndarray
    box_score: float
    unseen: float = 0.0
    missed: bool = False

    @cached_property
    def span(self) -> np.ndarray:
        """The box [4] of the keypoints, padded."""
        return np.asarray(padded(span_of(self.points, self.weights, self.box)))

    @cached_property
    def size(self) -> float:
        return float(self.span[2:].max())

    def later(self, seconds: float) -> Followed:
        """As expected `seconds` after now, gone on at the speed of the last look."""
        there = self.moved(self.motion.speed * seconds)
        return replace(
            there,
            motion=self.motion.after(seconds),
            weights=self.weights * 0.5 ** (seconds / FORGETTING),
            unseen=self.unseen + seconds,
        )

    def moved(self, way: np.ndarray) -> Followed:
        """Somewhere else by [2] pixels, as fast as before."""
        return replace(
            self,
            motion=replace(self.motion, place=self.motion.place + way),
            points=self.points + way,
            box=self.box + np.concatenate([way, np.zeros(2)]),
        )

    def unfound(self) -> Followed:
        return replace(self, missed=True)

    def seen_as(self, pose: Pose, told: bool) -> Followed:
        """Found as `pose`, at the time that this is expected for; told: in the box expected here,
        whose score says nothing new."""
        points, weights, away = points_of(pose), weights_of(pose), self.away(pose)
        newer = sure(weights) | (weights >= self.weights)
        return replace(
            self,
            motion=self.motion.seen(away),
            points=np.where(newer[:, None], points, self.points + away),
            weights=np.where(newer, weights, self.weights),
            box=box_of(pose),
            box_score=self.box_score if told else box_score(pose),
            unseen=0.0,
            missed=False,
        )

    def away(self, pose: Pose) -> np.ndarray:
        """[2] how far the pose is from where it was expected: the median of what both looks are
        sure of, which a swinging arm or a hidden leg does not move, else from box to box."""
        points, weights = points_of(pose), weights_of(pose)
        both = sure(weights) & sure(self.weights)
        if both.any():
            return np.asarray(np.median(points[both] - self.points[both], axis=0))
        found = padded(span_of(points, weights, box_of(pose)))
        return np.asarray((found[:2] + found[2:] / 2) - (self.span[:2] + self.span[2:] / 2))


def box_score(pose: Pose) -> float:
    """About what the score of the pose's box was, 0 to 1: a pose's is the box's times the mean of
    its sure keypoints'."""
    weights = weights_of(pose)
    kept = weights[sure(weights)]
    mean = float(kept.mean()) if len(kept) else 0.0
    score = min(max(pose.score, 0.0), 1.0) if math.isfinite(pose.score) else 0.0
    return min(score / mean, 1.0) if mean > 0 else score


def newcomer(number: int, pose: Pose) -> Followed:
    """Somebody seen for the first time."""
    points, weights, box = points_of(pose), weights_of(pose), box_of(pose)
    span = span_of(points, weights, box)
    start = Motion(span[:2] + span[2:] / 2, np.zeros(2))
    return Followed(number, start, points, weights, box, box_score(pose))
