"""What a detector is: images in, people's boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Found(NamedTuple):
    """People of one image, best first: box_image float64 [N, 4] (x, y, w, h), score [N] 0 to 1."""

    box_image: np.ndarray
    score: np.ndarray


class Detector(Protocol):
    """name: what people call it; digest: sha256 of its file; kind: as its outputs tell."""

    name: str
    digest: str
    kind: str

    def find(self, images: Sequence[np.ndarray]) -> list[Found]:
        """People of each image (uint8 [H, W, 3] RGB, any sizes), boxes within the image."""
