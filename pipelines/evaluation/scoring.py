"""Poses and truth in, an evaluator that has seen every image out; its numbers with a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from data.menus import EVALUATORS

PROTOCOLS = {
    "gt": "ground-truth boxes",
    "det": "a detector's boxes",
    "image": "whole images, no boxes",
}
FROM_BOXES, FROM_IMAGES = ("gt", "det"), ("image",)
NUMBERS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
Poses = Mapping[int, Sequence[Pose]]  # image id -> people


def score_poses(evaluator: str, skeleton: Skeleton, poses: Poses, truth: Poses) -> Any:
    """The evaluator of that name after all images of the truth, those without poses too."""
    judge = EVALUATORS[evaluator](skeleton)
    for image_id, people in truth.items():
        judge.add(image_id, poses.get(image_id, []), people)
    return judge


def name_protocol(result: Mapping[str, float], protocol: str) -> dict[str, float]:
    """{"AP": ...} -> {"AP@gt": ...}."""
    return {f"{name}@{protocol}": float(value) for name, value in result.items()}
