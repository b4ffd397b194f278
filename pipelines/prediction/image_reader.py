"""Everyone in images at hand, by a network that reads whole images (bottom-up)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from data.feeds.whole_images import KEEP_STRIDE, WholeItem, collate_whole
from data.ground.codec import Codec
from data.ground.sample import Batch, Pose, WholeBatch
from data.ground.skeleton import Skeleton
from pipelines.prediction.image_feed import same_size_groups
from pipelines.prediction.poses import people_by_image
from pipelines.prediction.predictor import read_batches
from pipelines.prediction.reader import People, PoseReader
from pipelines.prediction.readout import Stages

Paint = Callable[[Batch | WholeBatch], Sequence[Stages]]


@dataclass(frozen=True)
class Fed:
    """How whole images are fed: size (the short side or height), scales of it, as a recipe's
    evaluation; most: images of one batch, all of one size."""

    size: int
    scales: tuple[float, ...] = (1.0,)
    threshold: float = 0.2
    most: int = 4


class ImageReader(PoseReader):
    """A network that finds everyone at once. paint: batches in, the fields that are decoded out."""

    needs_boxes: ClassVar[bool] = False  # type: ignore[misc]

    def __init__(
        self, name: str, digest: str, skeleton: Skeleton, codec: Codec, fed: Fed, paint: Paint
    ) -> None:
        self.name, self.digest, self.skeleton, self.codec = name, digest, skeleton, codec
        self.threshold, self.fed, self.paint = fed.threshold, fed, paint

    @torch.inference_mode()
    def read(
        self, images: Sequence[np.ndarray], people: Sequence[People] | None
    ) -> list[list[Pose]]:
        """As `PoseReader`; whoever is given is none of its business."""
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        batches = (
            collate_whole([self._item(images[row], row) for row in group])
            for group in same_size_groups(sizes, self.fed.most)
        )
        read = read_batches(batches, self.paint, self.codec, self.skeleton, modes=1)[0]
        found = people_by_image(read, range(len(images)))
        return [found[n] for n in range(len(images))]

    def _item(self, image: np.ndarray, row: int) -> WholeItem:
        """As `ResizedDataset` makes it of a file."""
        fed, others, to_image = self.codec.resize.at_scales(image, self.fed.size, self.fed.scales)
        keep = np.ones((fed.shape[0] // KEEP_STRIDE, fed.shape[1] // KEEP_STRIDE), np.uint8)
        nobody, unseen = np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.int64)
        return WholeItem(fed, nobody, unseen, keep, row, to_image, tuple(others))
