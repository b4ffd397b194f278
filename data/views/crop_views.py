"""Random views of persons, for crops (top-down): a person's plain view in, a changed one out."""

from __future__ import annotations

import math

import numpy as np

from data.ground.skeleton import Skeleton
from data.views.geometry import PADDING, View, fix_aspect
from data.views.settings import Augmentation

HALF_BODY_PADDING = 1.5
HALF_BODY_MORE_THAN = 8  # keypoints labelled


def draw_view(
    rng: np.random.Generator,
    view: View,
    keypoints_image: np.ndarray,
    visibility: np.ndarray,
    skeleton: Skeleton,
    input_size: tuple[int, int],
    aligned: bool,
    augmentation: Augmentation,
) -> View:
    """A random view of a person whose plain view is `view`; keypoints [K, 2], visibility [K].

    Always draws the same count of numbers, so that one setting never shifts another's draws.
    """
    chance = rng.random(6).tolist()
    scale_noise, rotation_noise = rng.standard_normal(2).tolist()
    if chance[0] < augmentation.half_body_probability:
        upper = chance[1] < augmentation.half_body_upper
        view = _half_body(keypoints_image, visibility, skeleton, input_size, aligned, upper) or view
    factor = _factor(scale_noise, augmentation.scale)
    angle = _angle(rotation_noise, augmentation.rotation)
    turned = chance[2] <= augmentation.rotation_probability
    reach = augmentation.shift / PADDING
    return View(
        center=(
            view.center[0] + (2 * chance[4] - 1) * reach * view.size[0],
            view.center[1] + (2 * chance[5] - 1) * reach * view.size[1],
        ),
        size=(view.size[0] * factor, view.size[1] * factor),
        rotation=angle if turned else 0.0,
        flip=chance[3] < augmentation.flip_probability,
    )


def _factor(noise: float, scale: float | list[float]) -> float:
    if isinstance(scale, list):
        return _evenly(noise, scale)
    return min(max(1 + noise * scale, 1 - scale), 1 + scale)


def _angle(noise: float, rotation: float | list[float]) -> float:
    if isinstance(rotation, list):
        return _evenly(noise, rotation)
    bound = 2 * rotation
    return min(max(noise * rotation, -bound), bound)


def _evenly(noise: float, ends: list[float]) -> float:
    """Normal noise as a number between two ends: its distribution function is even on 0 to 1."""
    least, most = ends
    return least + (most - least) * (1 + math.erf(noise / math.sqrt(2))) / 2


def has_halves(skeleton: Skeleton) -> bool:
    """Whether half bodies can be drawn of it: enough keypoints, some of which are the upper body's,
    some not."""
    enough = len(skeleton.keypoints) > HALF_BODY_MORE_THAN
    return enough and 0 < len(skeleton.upper_body) < len(skeleton.keypoints)


def _half_body(
    keypoints_image: np.ndarray,
    visibility: np.ndarray,
    skeleton: Skeleton,
    input_size: tuple[int, int],
    aligned: bool,
    prefer_upper: bool,
) -> View | None:
    """The view of one half of a person, or None where too few keypoints are labelled.

    As HRNet's code: centre at the mean of the chosen keypoints, 1.5 times their box. A half needs
    more than 2 keypoints; the lower one is taken where the upper has fewer.
    """
    labelled = visibility > 0
    if np.count_nonzero(labelled) <= HALF_BODY_MORE_THAN or not has_halves(skeleton):
        return None
    is_upper = np.zeros(len(labelled), dtype=bool)
    is_upper[skeleton.upper_body_indices] = True
    upper, lower = keypoints_image[labelled & is_upper], keypoints_image[labelled & ~is_upper]
    chosen = upper if (prefer_upper and len(upper) > 2) or len(lower) <= 2 else lower
    if len(chosen) <= 2:
        return None
    more = 1.0 if aligned else 0.0  # DARK's code counts both border pixels
    width, height = (chosen.max(axis=0) - chosen.min(axis=0) + more).tolist()
    x, y = chosen.mean(axis=0).tolist()
    width, height = fix_aspect(max(width, 1.0), max(height, 1.0), input_size)
    return View((x, y), (width * HALF_BODY_PADDING, height * HALF_BODY_PADDING))
