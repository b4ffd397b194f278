"""How samples may be changed: a recipe's `augmentation`, in its three forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from data.ground.plug import Plug
from data.ground.refusal import refusal
from data.ground.spans import Degrees, Factor, Length, Share, Turn

Reference = Literal["short", "long", "tested"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training sample (defaults: none but the flip).

    scale and rotation have two readings. A number is what HRNet's code makes of it: scale is the
    std of a factor around 1 and its bound, rotation the std of an angle in degrees, bounded at
    twice it. A list [least, most] is what a printed range says without code, drawn evenly: factors
    of the view's size, degrees. Turned with `rotation_probability`; shift: largest move in
    fractions of the box; half_body: with its probability only one half of a person with more than
    8 keypoints, the upper one with `half_body_upper` (0.7: what HRNet's code does). photometric:
    albumentations image-only transforms, applied in order.
    """

    scale: Share | list[Factor] = 0.0
    rotation: Turn | list[Degrees] = 0.0
    rotation_probability: Share = 0.6
    flip_probability: Share = 0.5
    shift: Share = 0.0
    half_body_probability: Share = 0.0
    half_body_upper: Share = 0.7
    photometric: list[Plug] = field(default_factory=list)


def check_crop_draws(augmentation: Augmentation, where: str) -> None:
    """ValueError where views of persons cannot be drawn; `where`: the place of the section."""
    scale, rotation = augmentation.scale, augmentation.rotation
    if not (_is_range(scale) and scale[0] > 0 if isinstance(scale, list) else 0 <= scale < 1):
        accepted = "0 up to, not including, 1, or [least, most], both above 0"
        raise refusal(f"{where}.scale", given=scale, accepted=accepted)
    if not (_is_range(rotation) if isinstance(rotation, list) else rotation >= 0):
        accepted = "degrees from 0, or [least, most]"
        raise refusal(f"{where}.rotation", given=rotation, accepted=accepted)


def _is_range(ends: Sequence[float]) -> bool:
    return len(ends) == 2 and ends[0] <= ends[1]


def check_draws(scale: Sequence[float], rotation: float, shift: float, flip: float) -> None:
    """ValueError where views of whole images cannot be drawn from these ranges."""
    if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
        raise refusal("augmentation.scale", given=scale, accepted="[least, most], both above 0")
    if rotation < 0 or shift < 0 or not 0 <= flip <= 1:
        ranges = f"given rotation {rotation}, shift {shift}, flip_probability {flip}"
        raise refusal("augmentation", fault=ranges, accepted="from 0, from 0, 0 to 1")


@dataclass(frozen=True)
class PersonCropAugmentation:
    """Random views around a person, drawn evenly.

    scale: least and most factor of the person's height, which is 0.6 of the input's at 1;
    rotation: largest angle in degrees; shift: largest move along each axis in input pixels.
    """

    view: Literal["person_crop"]
    scale: list[Factor] = field(default_factory=lambda: [0.5, 1.1])
    rotation: Turn = 40.0
    shift: Length = 40.0
    flip_probability: Share = 0.5
    photometric: list[Plug] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_draws(self.scale, self.rotation, self.shift, self.flip_probability)


@dataclass(frozen=True)
class WholeImageAugmentation:
    """Random views of whole images, drawn evenly (defaults: none but the flip).

    scale: smallest and largest factor of the view; rotation: largest angle in degrees; shift:
    largest move in pixels per 200 pixels of the view, along both axes (40: a fifth); reference:
    which side of the image fills the input (long: all of the image lies in it); tested: as large,
    at the place (from the left and the top) and interpolated as when it is tested. count_outside:
    losses count outside the image too, as background (the authors': they do not). photometric: as
    for crops.
    """

    view: Literal["whole_image"]
    scale: list[Factor] = field(default_factory=lambda: [1.0, 1.0])
    rotation: Turn = 0.0
    shift: Length = 0.0
    flip_probability: Share = 0.5
    reference: Reference = "short"
    count_outside: bool = False
    photometric: list[Plug] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_draws(self.scale, self.rotation, self.shift, self.flip_probability)
