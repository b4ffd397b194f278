"""Videos whose people are known: a window of 640x480 that pans and zooms slowly over a photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from data.datasets.coco import Coco
from data.files.images import read_image
from data.ground.sample import Pose, Sample
from pipelines.media.film import Film

SIZE, FPS = (640, 480), 25.0
WIDE, NEAR = 0.9, 0.7  # of what fits into the photo: the window first, and half way
SEEN = 0.3  # of a person's box: who is seen less is not counted


def photos(root: Path, most: int) -> list[Sample]:
    """Photos of COCO's val split that have people with keypoints."""
    truth, samples = Coco().truth(root, "val"), Coco().samples(root, "val")
    known = [replace(sample, poses=tuple(truth[sample.image_id])) for sample in samples]
    return [s for s in known if any(pose.counted_keypoints for pose in s.poses)][:most]


def panned(sample: Sample, frames: int) -> Iterator[tuple[np.ndarray, list[Pose]]]:
    """Frames (uint8 RGB) and their true poses; whom no keypoint is counted of is to be ignored."""
    image = read_image(sample.image_path)
    height, width = image.shape[:2]
    whole = min(width / SIZE[0], height / SIZE[1])
    for n in range(frames):
        share = n / max(frames - 1, 1)
        size = whole * (NEAR + (WIDE - NEAR) * (0.5 + 0.5 * np.cos(2 * np.pi * share)))
        room = np.array([width, height]) - size * np.array(SIZE)
        corner = room * (0.5 - 0.5 * np.cos(np.pi * share))
        to_frame = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]]) / size
        frame = cv2.warpAffine(image, to_frame, SIZE, flags=cv2.INTER_AREA)
        yield (
            frame,
            [_moved(pose, row + 1, corner, 1 / size) for row, pose in enumerate(sample.poses)],
        )


def _moved(pose: Pose, number: int, corner: np.ndarray, scale: float) -> Pose:
    points = (pose.keypoints_image - corner) * scale
    inside = ((points >= 0) & (points < np.array(SIZE))).all(axis=1)
    visibility = np.where(inside, pose.visibility, 0)
    box = np.array(pose.box_image)
    low, high = (box[:2] - corner) * scale, (box[:2] + box[2:] - corner) * scale
    cut_low, cut_high = np.clip(low, 0, SIZE), np.clip(high, 0, SIZE)
    sides = cut_high - cut_low
    seen = float(np.prod(sides) / max(np.prod(high - low), 1e-9))
    counted = int((visibility > 0).sum()) if pose.counted_keypoints and seen >= SEEN else 0
    x, y, width, height = (float(value) for value in (*cut_low, *sides))
    return replace(
        pose, keypoints_image=points, visibility=visibility if counted else 0 * visibility,
        box_image=(x, y, width, height), area=pose.area * scale**2 * seen, id=number,
        num_keypoints=counted,
    )  # fmt: skip


def write_clips(root: Path, folder: Path, most: int, frames: int) -> dict[str, list[list[Pose]]]:
    """By path of a video in `folder` the true poses of its frames."""
    truth = {}
    for sample in photos(root, most):
        path = folder / f"{sample.image_id}.mp4"
        film, poses = Film(path, SIZE, FPS, None), []
        for n, (frame, true) in enumerate(panned(sample, frames)):
            film.add(frame, n / FPS)
            poses.append(true)
        film.close()
        truth[str(path)] = poses
    return truth
