"""From an image and a box to a crop: one affine per sample, photometric changes by albumentations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
