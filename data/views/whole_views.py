"""Views of whole images (bottom-up): sizes and settings in, a plain or a random view out."""

from __future__ import annotations

import numpy as np

from data.ground.resize import Resize
from data.views.geometry import View, invert, move
from data.views.settings import Reference, WholeImageAugmentation

UNIT = 200.0  # pixels of an image side that HigherHRNet's shift is given for
SHORT_SIDE = Resize("short", multiple=64)


def plain_view(
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    reference: Reference = "short",
    resize: Resize = SHORT_SIDE,
) -> View:
    """An image without changes, as `WholeImageAugmentation.reference` says."""
    width, height = image_size
    center = width * 0.5, height * 0.5
    pixels = (width / input_size[0], height / input_size[1])
    ratio = max(pixels) if reference == "long" else min(pixels)
    if reference == "tested":
        tested = invert(resize.matrix(image_size, min(input_size)))
        x, y = move(tested, np.array(input_size) / 2).tolist()
        center, ratio = (x, y), float(tested[0, 0])
    return View(center, (ratio * input_size[0], ratio * input_size[1]))


def draw_whole_view(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    augmentation: WholeImageAugmentation,
    resize: Resize = SHORT_SIDE,
) -> View:
    """A random view of an image; always draws the same count of numbers."""
    size, turn, x, y, flip = rng.random(5).tolist()
    plain = plain_view(image_size, input_size, augmentation.reference, resize)
    least, most = augmentation.scale
    factor = least + (most - least) * size
    width, height = plain.size[0] * factor, plain.size[1] * factor
    reach = augmentation.shift * width / UNIT  # both axes by the width's scale, as the official
    return View(
        center=(plain.center[0] + (2 * x - 1) * reach, plain.center[1] + (2 * y - 1) * reach),
        size=(width, height),
        rotation=(2 * turn - 1) * augmentation.rotation,
        flip=flip < augmentation.flip_probability,
    )
