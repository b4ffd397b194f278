"""Views of whole images around one person after another: how networks of limbs are trained.

Which people a view may be around, and the view itself, as Lightweight OpenPose trains (Osokin
2018, arXiv:1811.12004). Pure functions over plain arrays; everyone in view stays labelled.
"""

from __future__ import annotations

import numpy as np

from data.views.geometry import View
from data.views.settings import PersonCropAugmentation

LEAST_KEYPOINTS = 5
LEAST_AREA = 32 * 32  # pixels^2
NEAR = 0.3  # of the width of a person used already
SHARE = 0.6  # of the input's height that a person fills at scale 1


def people_to_view(
    labelled: np.ndarray,
    area: np.ndarray,
    box_image: np.ndarray,
    keypoints: int = LEAST_KEYPOINTS,
) -> np.ndarray:
    """Rows (int64) of one image's people that views are drawn around, in their order.

    labelled [N]: how many keypoints each has; area [N] in pixels^2, box_image [N, 4] (x, y, w, h).
    A person needs 5 labelled keypoints, or all where a skeleton has fewer `keypoints`, 32 x 32
    pixels, and a middle no nearer to that of a person before it than 0.3 of that one's width.
    """
    enough = np.asarray(labelled) >= min(LEAST_KEYPOINTS, keypoints)
    enough &= np.asarray(area) >= LEAST_AREA
    boxes = np.asarray(box_image, dtype=np.float64).reshape(-1, 4)
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    used: list[int] = []
    for row in np.flatnonzero(enough):
        away = np.hypot(*(middles[used] - middles[row]).T)
        if (away >= NEAR * boxes[used, 2]).all():
            used.append(int(row))
    return np.array(used, dtype=np.int64)


def draw_person_view(
    rng: np.random.Generator,
    box_image: np.ndarray,
    input_size: tuple[int, int],
    augmentation: PersonCropAugmentation,
) -> View:
    """A random view around a person's box (x, y, w, h); always draws the same count of numbers."""
    size, turn, right, down, flip = rng.random(5).tolist()
    x, y, width, height = (float(value) for value in box_image)
    least, most = augmentation.scale
    tall = SHARE * input_size[1] * (least + (most - least) * size)  # the person's, input pixels
    pixel = max(height, 1.0) / tall  # image pixels per input pixel
    reach = augmentation.shift * pixel
    return View(
        center=(x + width / 2 + (2 * right - 1) * reach, y + height / 2 + (2 * down - 1) * reach),
        size=(input_size[0] * pixel, input_size[1] * pixel),
        rotation=(2 * turn - 1) * augmentation.rotation,
        flip=flip < augmentation.flip_probability,
    )
