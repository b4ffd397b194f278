"""How a whole image is fed to a network at test time: one scale, a place, the rest filled.

Imports nothing of ours: it travels with registered models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

LONGEST = 4  # times `size`
LEAST = 2  # times `multiple`: exported networks want no side of a single cell


@dataclass(frozen=True)
class Resize:
    """How a whole image is fed at test time.

    side "short": the short side becomes `size` rounded up to a multiple, the long one a multiple
    too, the image about the middle (HigherHRNet, multiple 64). "height": the height becomes
    `size`, the width is padded to at least `size` and a multiple (Lightweight OpenPose, 8).
    Strips are fed smaller: no side is longer than 4 times `size`, which bounds memory.
    """

    side: Literal["short", "height"] = "short"
    multiple: int = 64
    fill: int = 0  # of what lies outside the image

    def input_size(self, image_size: tuple[int, int], size: int) -> tuple[int, int]:
        """(width, height) of the input that an image is fed in."""
        width, height = image_size
        scale = self._scale(image_size, size)
        sides = _up(width * scale, self.multiple), _up(height * scale, self.multiple)
        return sides if self.side == "short" else (max(sides[0], size), sides[1])

    def _scale(self, image_size: tuple[int, int], size: int) -> float:
        reference = min(image_size) if self.side == "short" else image_size[1]
        scale = (_up(size, self.multiple) if self.side == "short" else size) / reference
        return min(scale, LONGEST * size / max(image_size))

    def matrix(self, image_size: tuple[int, int], size: int) -> np.ndarray:
        """Affine float64 [2, 3], image_to_input."""
        width, height = image_size
        to_width, to_height = self.input_size(image_size, size)
        scale = self._scale(image_size, size)
        if self.side == "short":
            x, y = int(width / 2.0 + 0.5), int(height / 2.0 + 0.5)
            return np.array(
                [[scale, 0.0, to_width / 2 - scale * x], [0.0, scale, to_height / 2 - scale * y]]
            )
        left, top = (to_width - round(width * scale)) // 2, (to_height - round(height * scale)) // 2
        middle = 0.5 * scale - 0.5  # pixel centres on pixel centres
        return np.array([[scale, 0.0, middle + left], [0.0, scale, middle + top]])

    def __call__(self, image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [H, W, 3] -> (what the network is fed, input_to_image float64 [2, 3])."""
        image_size = image.shape[1], image.shape[0]
        matrix = self.matrix(image_size, size)
        kind = cv2.INTER_LINEAR if self.side == "short" else cv2.INTER_CUBIC
        fill, to = (self.fill,) * 3, self.input_size(image_size, size)
        view = cv2.warpAffine(image, matrix, to, flags=kind, borderValue=fill)
        return view, cv2.invertAffineTransform(matrix)


def _up(value: float, multiple: int) -> int:
    """To a multiple; a fraction of a pixel is let go, as the official code does."""
    return max(int((value + multiple - 1) // multiple), LEAST) * multiple
