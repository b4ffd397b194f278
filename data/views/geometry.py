"""From an image and a box to a crop: one affine. Travels alone with every registered model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

PADDING = 1.25  # view around a person's box, all official top-down code
MARGIN = 5  # pixels: neighbours of bicubic, and those that colour upsampling looks at


@dataclass(frozen=True)
class View:
    """What of an image is cropped: a box of `size` around `center`, in image pixels.

    The box is turned by `rotation` degrees and, with `flip`, seen in a mirror.
    """

    center: tuple[float, float]
    size: tuple[float, float]
    rotation: float = 0.0
    flip: bool = False


def box_to_view(
    box_image: Sequence[float] | np.ndarray,
    input_size: tuple[int, int],
    aligned: bool,
    padding: float = PADDING,
) -> View:
    """The view of a box (x, y, w, h): its short side enlarged to the input's aspect, padded.

    aligned: DARK's code has pixels from 0 to w - 1, so the centre lies half a pixel further left.
    """
    x, y, width, height = (float(value) for value in box_image)
    less = 1.0 if aligned else 0.0
    center = (x + (width - less) * 0.5, y + (height - less) * 0.5)
    width, height = fix_aspect(width, height, input_size)
    return View(center, (width * padding, height * padding))


def fix_aspect(width: float, height: float, input_size: tuple[int, int]) -> tuple[float, float]:
    aspect = input_size[0] / input_size[1]
    return max(width, height * aspect), max(height, width / aspect)


def view_matrix(view: View, input_size: tuple[int, int], aligned: bool) -> np.ndarray:
    """Affine float64 [2, 3], image_to_input.

    Standard code maps the view's centre to (W/2, H/2) and its width to W; aligned (DARK) maps
    to ((W-1)/2, (H-1)/2) and width - 1 to W - 1, so that fields and input share corner pixels.
    """
    less = 1.0 if aligned else 0.0
    scale = (input_size[0] - less) / max(view.size[0] - less, 1e-6)
    angle = math.radians(view.rotation)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    mirror = -1.0 if view.flip else 1.0
    (x, y), to_x, to_y = view.center, (input_size[0] - less) / 2, (input_size[1] - less) / 2
    a, b, c, d = cos * mirror, sin, -sin * mirror, cos
    return np.array([[a, b, to_x - a * x - b * y], [c, d, to_y - c * x - d * y]])


def invert(matrix: np.ndarray) -> np.ndarray:
    """The affine [2, 3] back."""
    (a, b, x), (c, d, y) = matrix.tolist()
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y]])


def move(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [..., 2] through an affine [2, 3]."""
    moved: np.ndarray = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def crop(
    image: np.ndarray,
    matrix: np.ndarray,
    input_size: tuple[int, int],
    fill: int = 0,
    interpolation: int = cv2.INTER_LINEAR,
) -> np.ndarray:
    """The view uint8 [H, W, 3], `fill` outside; image [H, W, 3], or 4 with a filler."""
    border = (fill,) * 4
    view = cv2.warpAffine(image, matrix, input_size, flags=interpolation, borderValue=border)
    return view if view.shape[2] == 3 else cv2.cvtColor(view, cv2.COLOR_RGBA2RGB)


def cut_box(
    image: np.ndarray,
    box_image: Sequence[float] | np.ndarray,
    input_size: tuple[int, int],
    aligned: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(crop uint8 [H, W, 3] of a box's view, as people are tested; input_to_image [2, 3])."""
    matrix = view_matrix(box_to_view(box_image, input_size, aligned), input_size, aligned)
    return crop(image, matrix, input_size), invert(matrix)


def seen_window(to_image: np.ndarray, input_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the image's pixels, and beyond it, that a view with this affine
    (input_to_image) sees, a margin around it."""
    (a, b, x), (c, d, y) = to_image.tolist()
    wide, tall = input_size
    return (
        math.floor(x + min(a * wide, 0.0) + min(b * tall, 0.0)) - MARGIN,
        math.floor(y + min(c * wide, 0.0) + min(d * tall, 0.0)) - MARGIN,
        math.ceil(x + max(a * wide, 0.0) + max(b * tall, 0.0)) + MARGIN,
        math.ceil(y + max(c * wide, 0.0) + max(d * tall, 0.0)) + MARGIN,
    )
