"""A skeleton: the keypoints of a person by name, their limbs, mirror pairs and OKS sigmas.

Each is a file of its own, skeletons/NAME.toml beside this folder: what loads one depends on no
other.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal

FOLDER = Path(__file__).resolve().parents[1] / "skeletons"


@dataclass(frozen=True)
class Skeleton:
    """Everything that depends on which keypoints a data set labels.

    `mirrored` holds (left, right) pairs; `sigmas` are OKS fall-offs in units of sqrt(area),
    one per keypoint (COCO keypoint evaluation); `upper_body` is used by half-body augmentation.
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    mirrored: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    upper_body: tuple[str, ...]

    def __post_init__(self) -> None:
        known = set(self.keypoints)
        named = {n for pair in (*self.limbs, *self.mirrored) for n in pair} | set(self.upper_body)
        if unknown := sorted(named - known):
            raise ValueError(f"skeleton {self.name}: {unknown} are no keypoints of it")
        if len(self.sigmas) != len(self.keypoints) or len(known) != len(self.keypoints):
            raise ValueError(f"skeleton {self.name}: one sigma and one name per keypoint")

    @property
    def mirror(self) -> list[int]:
        """Index of each keypoint's mirror image (its own index on the body's axis)."""
        other = {a: b for left, right in self.mirrored for a, b in ((left, right), (right, left))}
        return [self.keypoints.index(other.get(name, name)) for name in self.keypoints]

    @property
    def limb_indices(self) -> list[tuple[int, int]]:
        return [(self.keypoints.index(a), self.keypoints.index(b)) for a, b in self.limbs]

    @property
    def upper_body_indices(self) -> list[int]:
        return [self.keypoints.index(name) for name in self.upper_body]


def skeleton_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@cache
def load_skeleton(name: str) -> Skeleton:
    """The skeleton of skeletons/NAME.toml; what calls it with a literal depends on that file.

    Raises ValueError for an unknown name, for keys that lack or are too many, for other values.
    """
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise refusal("skeleton", given=name, accepted=", ".join(skeleton_names()))
    try:
        content = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise refusal(path, fault=f"no toml ({error})") from error
    return read_skeleton(name, content, path)


def read_skeleton(name: str, content: dict[str, Any], where: object) -> Skeleton:
    """From plain data: lists of names, [name, name] pairs, numbers. ValueError names the key."""
    keys = [field.name for field in fields(Skeleton) if field.name != "name"]
    for key in [*(key for key in keys if key not in content), *content]:
        if key not in content or key not in keys:
            fault = "unknown key" if key in content else "missing"
            raise refusal(f"{where}: {key}", fault=fault, accepted=", ".join(keys))
    return Skeleton(
        name,
        _names(f"{where}: keypoints", content["keypoints"]),
        _pairs(f"{where}: limbs", content["limbs"]),
        _pairs(f"{where}: mirrored", content["mirrored"]),
        _numbers(f"{where}: sigmas", content["sigmas"]),
        _names(f"{where}: upper_body", content["upper_body"]),
    )


def _names(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise refusal(where, given=value, accepted="a list of names")
    return tuple(value)


def _pairs(where: str, value: object) -> tuple[tuple[str, str], ...]:
    pairs = [_names(where, each) for each in value] if isinstance(value, list) else []
    if not isinstance(value, list) or not all(len(pair) == 2 for pair in pairs):
        raise refusal(where, given=value, accepted="a list of [name, name]")
    return tuple((first, second) for first, second in pairs)


def _numbers(where: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(each, float) for each in value):
        raise refusal(where, given=value, accepted="a list of numbers with a point")
    return tuple(value)
