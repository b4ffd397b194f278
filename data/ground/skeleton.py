"""A skeleton: the keypoints of a person by name, their limbs, mirror pairs and OKS sigmas.

Each is a file of its own, skeletons/NAME.yaml beside this folder or wherever a user keeps it: what
loads one depends on no other.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from data.ground.yaml_text import read_yaml

REFERENCES = ("box", "head")
FOLDER = Path(__file__).resolve().parents[1] / "skeletons"


@dataclass(frozen=True)
class Skeleton:
    """Everything that depends on which keypoints a data set labels.

    `mirrored` holds (left, right) pairs; `sigmas` are OKS fall-offs in units of sqrt(area),
    one per keypoint (COCO keypoint evaluation); `upper_body` and the rest of them, `lower_body`,
    are what half-body augmentation crops to. `reference`: what distances are told in where OKS
    does not serve: `box` (the person's), `head` (its size, where labels tell it), or two keypoints
    (of the torso, the eyes).
    """

    name: str
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    mirrored: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    upper_body: tuple[str, ...]
    reference: str | tuple[str, str] = "box"

    def __post_init__(self) -> None:
        known = set(self.keypoints)
        ends = () if isinstance(self.reference, str) else (self.reference,)
        pairs = (*self.limbs, *self.mirrored, *ends)
        named = {n for pair in pairs for n in pair} | set(self.upper_body)
        if unknown := sorted(named - known):
            raise ValueError(f"skeleton {self.name}: {unknown} are no keypoints of it")
        if len(self.sigmas) != len(self.keypoints) or len(known) != len(self.keypoints):
            raise ValueError(f"skeleton {self.name}: one sigma and one name per keypoint")
        if not known or not all(0 < sigma < math.inf for sigma in self.sigmas):
            raise ValueError(f"skeleton {self.name}: at least one keypoint, and sigmas above 0")
        twice = [n for pair in self.mirrored for n in pair]
        if len(set(twice)) < len(twice) or any(a == b for a, b in pairs):
            raise ValueError(
                f"skeleton {self.name}: a keypoint in two mirror pairs, or with itself"
            )
        if isinstance(self.reference, str) and self.reference not in REFERENCES:
            where, accepted = (
                f"skeleton {self.name}: reference",
                "box, head, or [keypoint, keypoint]",
            )
            raise refusal(where, given=self.reference, accepted=accepted)

    @property
    def mirror(self) -> list[int]:
        """Index of each keypoint's mirror image (its own index on the body's axis)."""
        other = {a: b for left, right in self.mirrored for a, b in ((left, right), (right, left))}
        return [self.keypoints.index(other.get(name, name)) for name in self.keypoints]

    @property
    def lower_body(self) -> tuple[str, ...]:
        """All keypoints that are not of the upper body."""
        return tuple(name for name in self.keypoints if name not in self.upper_body)

    @property
    def limb_indices(self) -> list[tuple[int, int]]:
        return [(self.keypoints.index(a), self.keypoints.index(b)) for a, b in self.limbs]

    @property
    def upper_body_indices(self) -> list[int]:
        return [self.keypoints.index(name) for name in self.upper_body]


def skeleton_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load_skeleton(name: str) -> Skeleton:
    """The skeleton of skeletons/NAME.yaml; what calls it with a literal depends on that file.

    Raises ValueError for an unknown name, for keys that lack or are too many, for other values.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise refusal("skeleton", given=name, accepted=", ".join(skeleton_names()))
    return skeleton_of_file(path)


def skeleton_of_file(path: Path) -> Skeleton:
    """Named as its file. Raises ValueError that names file and key."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise refusal(path, given=content, accepted=f"a mapping with {', '.join(_keys())}")
    return read_skeleton(path.stem, content, path)


def read_skeleton(name: str, content: dict[str, Any], where: object) -> Skeleton:
    """From plain data: lists of names, [name, name] pairs, numbers. ValueError names the key."""
    keys, needed = _keys(), _keys(needed=True)
    for key in [*(key for key in needed if key not in content), *content]:
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
        _reference(f"{where}: reference", content.get("reference", "box")),
    )


def plain_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """What `read_skeleton` reads back, but for its name: lists, text and numbers."""
    content = asdict(skeleton)
    del content["name"]
    return {key: _plain(value) for key, value in content.items()}


def hashed_values(skeleton: Skeleton) -> dict[str, Any]:
    """What of it counts in the hash of prepared data; keys that came later only where they are set,
    so that hashes of before go on."""
    content = asdict(skeleton)
    if skeleton.reference == "box":
        del content["reference"]
    return content


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _keys(needed: bool = False) -> list[str]:
    """What a file holds, or has to."""
    every = [field for field in fields(Skeleton) if field.name != "name"]
    return [field.name for field in every if not needed or field.default is MISSING]


def _names(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        accepted = "a list of names (yaml reads no, on, 1 as other things: write 'no')"
        raise refusal(where, given=value, accepted=accepted)
    return tuple(value)


def _pairs(where: str, value: object) -> tuple[tuple[str, str], ...]:
    pairs = [_names(where, each) for each in value] if isinstance(value, list) else []
    if not isinstance(value, list) or not all(len(pair) == 2 for pair in pairs):
        raise refusal(where, given=value, accepted="a list of [name, name]")
    return tuple((first, second) for first, second in pairs)


def _numbers(where: str, value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(map(_is_number, value)):
        raise refusal(where, given=value, accepted="a list of numbers")
    return tuple(map(float, value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reference(where: str, value: object) -> str | tuple[str, str]:
    if isinstance(value, str):
        return value
    first = _names(where, value)
    if len(first) != 2:
        raise refusal(where, given=value, accepted="box, head, or [keypoint, keypoint]")
    return first[0], first[1]
