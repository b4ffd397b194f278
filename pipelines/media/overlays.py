"""Poses drawn on the picture that they were read from, and pictures as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from data.files.whole_file import whole_file
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.pictures.people import draw_poses

LEAST = 0.1  # of the best score in a picture: who is drawn
QUALITY = 95  # of a JPEG, of 100


def overlay(
    image: np.ndarray,
    poses: Sequence[Pose],
    skeleton: Skeleton,
    threshold: float,
    *,
    names: bool = False,
    ids: bool = False,
) -> np.ndarray:
    """A copy of the image [H, W, 3] with everyone who is sure enough drawn on it.

    Left out: keypoints of a score up to `threshold`, and people of less than a tenth of the best
    one's score. names: of keypoints; ids: each `Pose.id` above the person, and nobody whose id is 0
    (too unsure to be anybody's, or somebody found twice).
    """
    poses = [pose for pose in poses if pose.id] if ids else poses
    best = max((pose.score for pose in poses), default=0.0)
    sure = [_sure_of(pose, threshold) for pose in poses if pose.score >= LEAST * best]
    return draw_poses(image, sure, skeleton, names=names, ids=ids)


def write_overlay(path: Path, image: np.ndarray) -> None:
    """As its name ends, .png or .jpg; whole or not at all. OSError where it cannot be written,
    ValueError where no such file can hold it."""
    settings = [] if path.suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    kind = ".png" if path.suffix.lower() == ".png" else ".jpg"
    done, content = cv2.imencode(kind, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    if not done:
        raise ValueError(f"its {kind[1:]} could not be coded")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(content.tobytes())


def _sure_of(pose: Pose, threshold: float) -> Pose:
    if pose.keypoint_scores is None:
        return pose
    return replace(pose, visibility=np.where(pose.keypoint_scores > threshold, 2, 0))
