"""Photometric changes by albumentations: pixels in, as many and at the same places out."""

from __future__ import annotations

import difflib
import inspect
import os
import warnings
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from data.ground.plug import Plug
from data.ground.refusal import refusal

# they leave the image's geometry alone, although albumentations has them among its dual ones
OCCLUSIONS = ("CoarseDropout", "Erasing", "GridDropout", "PixelDropout", "XYMasking")


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
                gives = f"gives {changed.dtype} {list(changed.shape)}"
                raise refusal(
                    self.plugs[place].name,
                    fault=f"{gives} for {image.dtype} {list(image.shape)}",
                    accepted="transforms that keep both",
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
            fault = f"does not run on a crop by itself: {error}"
            raise refusal(plug.name, fault=fault) from error


def _build(plug: Plug) -> Any:
    kind = _find(plug.name)
    accepted = {name for name in inspect.signature(kind).parameters if name != "self"}
    for key in plug.options:
        if key not in accepted:
            close = difflib.get_close_matches(key, accepted, n=1)
            raise refusal(
                plug.name,
                fault=f"unknown argument {key!r}",
                accepted=", ".join(sorted(accepted)),
                do=f"did you mean {close[0]!r}?" if close else "",
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(**plug.options)
    except (ValueError, TypeError, UserWarning) as error:
        raise refusal(plug.name, fault=f"given {plug.options}: {error}") from error


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
        accepted_kinds = f"albumentations' image-only transforms and {', '.join(OCCLUSIONS)}"
        raise refusal(name, fault="moves pixels or is no transform", accepted=accepted_kinds)
    close = difflib.get_close_matches(name, accepted, n=1)
    fault = f"no transform of albumentations {albumentations.__version__}"
    raise refusal(name, fault=fault, do=f"did you mean {close[0]!r}?" if close else "")
