"""From an image and a box to a crop: one affine; photometric changes by albumentations."""

from __future__ import annotations

import difflib
import inspect
import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:  # this file also travels alone, with every registered model
    from data.skeletons import Skeleton

PADDING = 1.25  # view around a person's box, all official top-down code
HALF_BODY_PADDING = 1.5
HALF_BODY_MORE_THAN = 8  # keypoints labelled
MARGIN = 5  # rows: neighbours of bicubic, and those that colour upsampling looks at
# they leave the image's geometry alone, although albumentations has them among its dual ones
OCCLUSIONS = ("CoarseDropout", "Erasing", "GridDropout", "PixelDropout", "XYMasking")


@dataclass(frozen=True)
class Plug:
    """A name on a menu and the keyword arguments that it is built with."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training sample (defaults: none but the flip).

    scale: std and bound of the factor N(1, scale); rotation: std in degrees, bounded at twice it,
    done with `rotation_probability`; shift: largest move in fractions of the box; half_body: with
    its probability only one half of a person with more than 8 keypoints, the upper one with
    `half_body_upper` (0.7: what HRNet's code does). photometric: albumentations image-only
    transforms, applied in order.
    """

    scale: float = 0.0
    rotation: float = 0.0
    rotation_probability: float = 0.6
    flip_probability: float = 0.5
    shift: float = 0.0
    half_body_probability: float = 0.0
    half_body_upper: float = 0.7
    photometric: list[Plug] = field(default_factory=list)


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
    width, height = _fix_aspect(width, height, input_size)
    return View(center, (width * padding, height * padding))


def _fix_aspect(width: float, height: float, input_size: tuple[int, int]) -> tuple[float, float]:
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


def lowest_row(to_image: np.ndarray, input_size: tuple[int, int]) -> int:
    """How many rows of the image, from the top, a crop with this affine (input_to_image) sees."""
    c, d, y = to_image[1].tolist()
    return math.ceil(y + max(c * input_size[0], 0.0) + max(d * input_size[1], 0.0)) + MARGIN


def sample_generator(seed: int, epoch: int, sample_id: int) -> np.random.Generator:
    """The randomness of one sample in one epoch, whoever loads it and in whatever order."""
    bits = (1 << 64) - 1
    key = np.array([seed & bits, sample_id & bits], dtype=np.uint64)
    counter = np.array([0, 0, 0, epoch & bits], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


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
    bound = augmentation.scale
    factor = min(max(1 + scale_noise * bound, 1 - bound), 1 + bound)
    bound = 2 * augmentation.rotation
    angle = min(max(rotation_noise * augmentation.rotation, -bound), bound)
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


def check_draws(scale: Sequence[float], rotation: float, shift: float, flip: float) -> None:
    """ValueError where views of whole images cannot be drawn from these ranges."""
    if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
        raise ValueError(
            f"augmentation.scale: given {scale}, accepted: [least, most], both above 0"
        )
    if rotation < 0 or shift < 0 or not 0 <= flip <= 1:
        raise ValueError(
            f"augmentation: given rotation {rotation}, shift {shift}, flip_probability {flip}; "
            "accepted: from 0, from 0, 0 to 1"
        )


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
    if np.count_nonzero(labelled) <= HALF_BODY_MORE_THAN:
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
    width, height = _fix_aspect(max(width, 1.0), max(height, 1.0), input_size)
    return View((x, y), (width * HALF_BODY_PADDING, height * HALF_BODY_PADDING))


class Photometric:
    """Albumentations transforms in a row, drawn anew from a seed at every call.

    Raises ValueError, naming the transform, for unknown names or arguments and for transforms
    that move pixels (the keypoints would not follow). Travels to workers as its plugs.
    """

    def __init__(self, plugs: Sequence[Plug]) -> None:
        self.plugs = tuple(plugs)
        self._transforms = [_build(plug) for plug in self.plugs]

    def __reduce__(self) -> tuple[Any, ...]:
        return Photometric, (self.plugs,)

    def __call__(self, image: np.ndarray, seed: int, always: bool = False) -> np.ndarray:
        """uint8 [H, W, 3] -> the same shape, changed; `always`: whatever their probabilities."""
        for place, transform in enumerate(self._transforms):
            transform.set_random_seed(seed + place)
            changed = transform(image=image, force_apply=always)["image"]
            if changed.shape != image.shape or changed.dtype != image.dtype:
                raise ValueError(
                    f"{self.plugs[place].name}: gives {changed.dtype} {list(changed.shape)} for "
                    f"{image.dtype} {list(image.shape)}; accepted: transforms that keep both"
                )
            image = changed
        return image


def check_photometric(plugs: Sequence[Plug]) -> None:
    """ValueError where `Photometric(plugs)` would not work; without plugs nothing is imported."""
    image = np.zeros((256, 192, 3), dtype=np.uint8)
    for plug in plugs:
        run = Photometric([plug])
        try:
            run(image, seed=0, always=True)
        except (ValueError, TypeError, KeyError, cv2.error) as error:
            raise ValueError(f"{plug.name}: does not run on a crop by itself: {error}") from error


def _build(plug: Plug) -> Any:
    kind = _find(plug.name)
    accepted = {name for name in inspect.signature(kind).parameters if name != "self"}
    for key in plug.options:
        if key not in accepted:
            close = difflib.get_close_matches(key, accepted, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"{plug.name}: unknown argument {key!r}, accepted: "
                f"{', '.join(sorted(accepted))}{hint}"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(**plug.options)
    except (ValueError, TypeError, UserWarning) as error:
        raise ValueError(f"{plug.name}: given {plug.options}: {error}") from error


def _find(name: str) -> Any:
    """The albumentations class of that name that leaves pixels in place."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it asks PyPI for a newer version
    import albumentations

    def stays(kind: object) -> bool:
        base = albumentations.ImageOnlyTransform
        return inspect.isclass(kind) and issubclass(kind, base) and kind is not base

    accepted = [n for n, kind in vars(albumentations).items() if stays(kind)] + list(OCCLUSIONS)
    if name in accepted:
        return getattr(albumentations, name)
    if hasattr(albumentations, name):
        raise ValueError(
            f"{name}: moves pixels or is no transform; accepted: albumentations' image-only "
            f"transforms and {', '.join(OCCLUSIONS)}"
        )
    close = difflib.get_close_matches(name, accepted, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"{name}: no transform of albumentations {albumentations.__version__}{hint}")
