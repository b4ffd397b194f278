"""People in boxes of images at hand: cut, read by any network of crops, scored, doubles left out.

Needs numpy and OpenCV alone, so that a network that is a file of ONNX is read without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from data.views.geometry import PADDING, box_to_view, crop, invert, move, view_matrix
from pipelines.prediction.nms import oks_nms
from pipelines.prediction.reader import People, PoseReader

# crops uint8 [B, H, W, 3] RGB -> keypoints_input [B, K, 2] in pixels of the crop, scores [B, K]
CropNetwork = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Cut:
    """How people are cut out and scored: input_size (width, height), `aligned` as codecs have it,
    thresholds as a recipe's evaluation; most: crops of a batch."""

    input_size: tuple[int, int]
    aligned: bool = False
    threshold: float = 0.2
    nms_threshold: float = 0.9
    padding: float = PADDING
    most: int = 32


class CropReader(PoseReader):
    """A network that reads one person at a time (top-down)."""

    needs_boxes: ClassVar[bool] = True  # type: ignore[misc]

    def __init__(
        self, name: str, digest: str, skeleton: Skeleton, cut: Cut, network: CropNetwork
    ) -> None:
        self.name, self.digest, self.skeleton = name, digest, skeleton
        self.threshold, self.cut, self.network = cut.threshold, cut, network

    def read(
        self, images: Sequence[np.ndarray], people: Sequence[People] | None
    ) -> list[list[Pose]]:
        """As `PoseReader`; without people each image whole is a person's box."""
        given = [whole_image(image) for image in images] if people is None else people
        boxes = np.concatenate([np.zeros((0, 4)), *(each.box_image for each in given)])
        image_of = np.repeat(np.arange(len(images)), [len(each.box_image) for each in given])
        points, scores = self._all(images, boxes, image_of)
        found = []
        for n, each in enumerate(given):
            rows = image_of == n
            found.append(self._people(points[rows], scores[rows], each))
        return found

    def _all(
        self, images: Sequence[np.ndarray], boxes: np.ndarray, image_of: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """keypoints_image float64 [N, K, 2] and scores float32 [N, K] of all boxes [N, 4]."""
        keypoints = len(self.skeleton.keypoints)
        points, scores = [np.zeros((0, keypoints, 2))], [np.zeros((0, keypoints), np.float32)]
        for crops, to_image in self._batches(images, boxes, image_of):
            keypoints_input, sure = self.network(crops)
            moved = zip(to_image, keypoints_input.astype(np.float64), strict=True)
            points.append(np.stack([move(matrix, each) for matrix, each in moved]))
            scores.append(sure.astype(np.float32))
        return np.concatenate(points), np.concatenate(scores)

    def _batches(
        self, images: Sequence[np.ndarray], boxes: np.ndarray, image_of: np.ndarray
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """(crops, each one's input_to_image), boxes of several images in one."""
        size, aligned = self.cut.input_size, self.cut.aligned
        for start in range(0, len(boxes), self.cut.most):
            rows = range(start, min(start + self.cut.most, len(boxes)))
            views = (box_to_view(boxes[row], size, aligned, self.cut.padding) for row in rows)
            matrices = [view_matrix(view, size, aligned) for view in views]
            shown = zip(rows, matrices, strict=True)
            crops = np.stack([crop(images[image_of[row]], matrix, size) for row, matrix in shown])
            yield crops, [invert(matrix) for matrix in matrices]

    def _people(self, points: np.ndarray, scores: np.ndarray, people: People) -> list[Pose]:
        """Of one image, best first, without those too like a better one."""
        if not len(points):
            return []
        cut = self.cut
        views = (
            box_to_view(box, cut.input_size, cut.aligned, cut.padding) for box in people.box_image
        )
        areas = np.array([view.size[0] * view.size[1] for view in views], dtype=np.float64)
        sure = people.score * mean_above(scores, cut.threshold)
        kept = oks_nms(points, sure, areas, self.skeleton.sigmas, cut.nms_threshold)
        present = np.full(points.shape[1], 2, dtype=np.int64)
        boxes = people.box_image.tolist()
        return [
            Pose(
                keypoints_image=points[row],
                visibility=present,
                box_image=(boxes[row][0], boxes[row][1], boxes[row][2], boxes[row][3]),
                area=float(areas[row]),
                score=float(sure[row]),
                keypoint_scores=scores[row],
            )
            for row in kept
        ]


def whole_image(image: np.ndarray) -> People:
    """An image as one person's box, of score 1."""
    return People(np.array([[0.0, 0.0, image.shape[1], image.shape[0]]]), np.ones(1))


def mean_above(scores: np.ndarray, threshold: float) -> np.ndarray:
    """float64 [N]: mean of the keypoint scores [N, K] above `threshold`, 0 where none is: what a
    box's score is multiplied with (`readout.person_scores`, which needs torch)."""
    above = scores > threshold
    total = np.where(above, scores, 0.0).sum(axis=1, dtype=np.float64)
    return np.asarray(total / np.maximum(above.sum(axis=1), 1))
