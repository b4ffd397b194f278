"""A detector's network, run: images in, people's boxes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.detection.detector import Found
from pipelines.detection.kinds.looked import Reading
from pipelines.detection.network import Network
from pipelines.detection.rows import people

SMALLEST = 1.0  # pixels of the image: a box of less is nobody's


class OnnxDetector:
    """A `Detector`. least: the smallest score of a box; most: boxes of an image."""

    def __init__(
        self, name: str, digest: str, network: Network, reading: Reading, least: float, most: int
    ) -> None:
        self.name, self.digest, self.kind = name, digest, reading.kind
        self.network, self.reading, self.least, self.most = network, reading, least, most

    def described(self) -> dict[str, Any]:
        """All that decides its boxes but the file: kind, thresholds, how it is fed."""
        feeding = dataclasses.asdict(self.reading.feeding)
        own = {"kind": self.kind, "score": self.least, "nms": self.reading.nms, "most": self.most}
        fed = {"classes": list(self.reading.classes), "size": list(self.network.size)}
        return own | fed | feeding

    def find(self, images: Sequence[np.ndarray]) -> list[Found]:
        """As `Detector.find`. Raises ValueError where the network fails, or puts out no scores."""
        found: list[Found] = []
        for start in range(0, len(images), self.network.batch):
            found += self._find(images[start : start + self.network.batch])
        return found

    def _find(self, images: Sequence[np.ndarray]) -> list[Found]:
        """Of as many images as go through at once."""
        width, height = self.network.size
        canvases = np.empty((len(images), height, width, 3), np.uint8)
        feeding = self.reading.feeding
        placed = [feeding.place(i, c) for i, c in zip(images, canvases, strict=True)]
        outputs = self.network.run(feeding, canvases)
        found = []
        for one, where in zip(outputs, placed, strict=True):
            rows = self.reading.rows(one)
            box, score = people(
                rows, self.reading.classes, self.least, self.reading.nms, self.most, self.name
            )
            box = where.box_image(box)
            box[:, 2:] -= box[:, :2]
            large = (box[:, 2:] >= SMALLEST).all(axis=1)
            found.append(Found(box[large], score[large]))
        return found
