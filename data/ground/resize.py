"""How a whole image is fed to a network at test time: one scale, a place, the rest filled.

Imports nothing of ours: it travels with registered models.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def input_size(
        self, image_size: tuple[int, int], size: int, scale: float = 1.0, least: float = 1.0
    ) -> tuple[int, int]:
        """(width, height) of the input that an image is fed in.

        scale: of `size`, where an image is fed at several; least: the smallest of them, of which
        every one is a whole multiple. Sides are rounded there, so that scales lie one over the
        other cell by cell (HigherHRNet's code).
        """
        small, (width, height) = least * size, image_size
        pixel = self._scale(image_size, small)
        sides = _up(width * pixel, self.multiple), _up(height * pixel, self.multiple)
        if self.side == "height":  # of the scaled image's whole pixels
            sides = (
                _up(round(width * pixel), self.multiple),
                _up(round(height * pixel), self.multiple),
            )
            sides = max(sides[0], _up(small, self.multiple)), sides[1]
        return round(sides[0] * (scale / least)), round(sides[1] * (scale / least))

    def _scale(self, image_size: tuple[int, int], small: float) -> float:
        reference = min(image_size) if self.side == "short" else image_size[1]
        scale = (_up(small, self.multiple) if self.side == "short" else small) / reference
        return min(scale, LONGEST * small / max(image_size))

    def matrix(
        self, image_size: tuple[int, int], size: int, scale: float = 1.0, least: float = 1.0
    ) -> np.ndarray:
        """Affine float64 [2, 3], image_to_input."""
        width, height = image_size
        to_width, to_height = self.input_size(image_size, size, least, least)
        pixel, times = self._scale(image_size, least * size), scale / least
        if self.side == "short":
            x, y = int(width / 2.0 + 0.5), int(height / 2.0 + 0.5)
            left, top = to_width / 2 - pixel * x, to_height / 2 - pixel * y
            return times * np.array([[pixel, 0.0, left], [0.0, pixel, top]])
        left = (to_width - round(width * pixel)) // 2
        top = (to_height - round(height * pixel)) // 2
        middle = 0.5 * pixel * times - 0.5  # pixel centres on pixel centres
        return np.array(
            [
                [pixel * times, 0.0, middle + left * times],
                [0.0, pixel * times, middle + top * times],
            ]
        )

    @property
    def interpolation(self) -> int:
        """As the official codes: OpenCV's number of linear or cubic."""
        return cv2.INTER_LINEAR if self.side == "short" else cv2.INTER_CUBIC

    def __call__(
        self, image: np.ndarray, size: int, scale: float = 1.0, least: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [H, W, 3] -> (what the network is fed, input_to_image float64 [2, 3])."""
        image_size = image.shape[1], image.shape[0]
        matrix = self.matrix(image_size, size, scale, least)
        fill, to = (self.fill,) * 3, self.input_size(image_size, size, scale, least)
        view = cv2.warpAffine(image, matrix, to, flags=self.interpolation, borderValue=fill)
        return view, cv2.invertAffineTransform(matrix)

    def at_scales(
        self, image: np.ndarray, size: int, scales: Sequence[float]
    ) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """(fed at 1.0, fed at the other scales, input_to_image of the first).

        scales: of `size`, 1.0 among them, each a whole multiple of the smallest.
        """
        least = min(scales)
        fed, to_image = self(image, size, 1.0, least)
        return fed, [self(image, size, s, least)[0] for s in scales if s != 1.0], to_image


def _up(value: float, multiple: int) -> int:
    """To a multiple; a fraction of a pixel is let go, as the official code does."""
    return max(int((value + multiple - 1) // multiple), LEAST) * multiple
