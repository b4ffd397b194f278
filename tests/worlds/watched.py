"""Doubles of what predict is made of: sources in memory, a detector, a network that tells all.

Each person is a square of one colour: the detector finds squares, the network answers the middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from data.ground.sample import Pose, box_around
from data.ground.skeleton import Skeleton, load_skeleton
from pipelines.detection.detector import Found
from pipelines.media.frame import Frame
from pipelines.prediction.reader import People

SIDE = 24


def picture(*corners: tuple[int, int], size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """A black image with a white square at each corner."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in corners:
        image[y : y + SIDE, x : x + SIDE] = 255
    return image


@dataclass
class Shown:
    """A source that gives the images it was made of, then raises what it was told to."""

    name: str
    images: Sequence[np.ndarray]
    moving: bool = False
    live: bool = False
    fps: float | None = None
    fault: str | None = None

    @property
    def count(self) -> int:
        return len(self.images)

    def frames(self) -> Iterator[Frame]:
        for index, image in enumerate(self.images):
            yield Frame(self.name, image, index, index / (self.fps or 1))
        if self.fault:
            raise ValueError(f"{self.name}: {self.fault}")


@dataclass
class SquareDetector:
    """Finds white squares that do not touch one another; counts what it was shown."""

    name: str = "squares"
    digest: str = "0"
    kind: str = "double"
    seen: list[int] = field(default_factory=list)

    def find(self, images: Sequence[np.ndarray]) -> list[Found]:
        self.seen.append(len(images))
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> Found:
        white = image[..., 0] > 128
        above, left = np.roll(white, 1, 0), np.roll(white, 1, 1)
        rows, columns = np.nonzero(white & ~above & ~left)
        boxes = [(x, y, SIDE, SIDE) for x, y in zip(columns, rows, strict=True)]
        return Found(np.array(boxes, np.float64).reshape(-1, 4), np.full(len(boxes), 0.9))


@dataclass
class BoxReader:
    """Answers what is white in and around each box (else the box); keeps what it was given.

    batches: images at a time; boxes: of each image.
    """

    name: str = "corners"
    digest: str = "0"
    skeleton: Skeleton = field(default_factory=lambda: load_skeleton("coco"))
    needs_boxes: bool = True
    threshold: float = 0.2
    batches: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)

    def read(
        self, images: Sequence[np.ndarray], people: Sequence[People] | None
    ) -> list[list[Pose]]:
        self.batches.append(len(images))
        if people is None:
            people = [People(*found) for found in SquareDetector().find(images)]
        assert len(people) == len(images)
        self.boxes += [each.box_image for each in people]
        return [
            [self._pose(image, *one) for one in zip(each.box_image, each.score, strict=True)]
            for image, each in zip(images, people, strict=True)
        ]

    def _pose(self, image: np.ndarray, box: np.ndarray, score: float) -> Pose:
        x, y, w, h = white_in(image, box)
        along = np.linspace(0, 1, len(self.skeleton.keypoints))
        points = np.stack([x + w * along, y + h * along**2], axis=1)
        scores, seen = np.full(len(points), 0.8), np.full(len(points), 2)
        around = box_around(points)
        return Pose(points, seen, around, w * h, score=float(score), keypoint_scores=scores)


def white_in(image: np.ndarray, box: np.ndarray) -> tuple[float, float, float, float]:
    """(x, y, w, h) of the white pixels in the box and a quarter of a square around it."""
    left, top = np.maximum(np.floor(box[:2] - SIDE / 4).astype(int), 0)
    right, bottom = np.ceil(box[:2] + box[2:] + SIDE / 4).astype(int)
    rows, columns = np.nonzero(image[top:bottom, left:right, 0] > 128)
    if not len(rows):
        return float(box[0]), float(box[1]), float(box[2]), float(box[3])
    x, y = left + columns.min(), top + rows.min()
    return float(x), float(y), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)
