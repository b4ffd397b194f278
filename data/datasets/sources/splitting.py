"""Labels divided in those that are trained on and those that are evaluated on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from data.datasets.formats.labels import LabelledImage, Labels
from data.ground.refusal import refusal
from data.ground.spans import Seed, Share


@dataclass(frozen=True)
class Cut:
    """val: the share of images that are evaluated on; by: what is never torn apart.

    video: images of one group where the labels tell them, else names that differ in their last
    number alone.
    """

    val: Share
    by: Literal["file", "folder", "video"] = "file"
    seed: Seed = 1


def divided(labels: Labels, cut: Cut, where: str) -> dict[str, Labels]:
    """{"train": ..., "val": ...}; who goes where depends on seed and names alone, so that images
    added later move nobody but themselves, as far as the share allows.

    Raises ValueError where there is nothing to divide.
    """
    units: dict[str, list[LabelledImage]] = {}
    for image in labels.images:
        units.setdefault(_unit(image, cut.by), []).append(image)
    if len(units) < 2:
        fault = f"by {cut.by} there is {len(units)} to divide"
        do = "name others to evaluate on (`add`: --val-labels), or those that are trained on "
        raise refusal(where, fault=fault, accepted="two or more", do=f"{do}(--val-share 0)")
    order = sorted(units, key=lambda unit: hashlib.sha256(f"{cut.seed} {unit}".encode()).digest())
    wanted, chosen, count = cut.val * len(labels.images), set[str](), 0
    for unit in order[:-1]:  # one is left to train on
        if chosen and count + len(units[unit]) / 2 > wanted:
            break
        chosen.add(unit)
        count += len(units[unit])
    val = {id(image) for unit in chosen for image in units[unit]}
    return {
        "train": _only(labels, [image for image in labels.images if id(image) not in val]),
        "val": _only(labels, [image for image in labels.images if id(image) in val]),
    }


def told_splits(labels: Labels, splits: Sequence[str], where: str) -> dict[str, Labels]:
    """The splits that the labels themselves tell. Raises ValueError where they tell none."""
    found = {split: [i for i in labels.images if i.split == split] for split in splits}
    if lacking := [split for split, images in found.items() if not images]:
        fault = f"the labels tell no images of {' and '.join(lacking)}"
        accepted = "`val: {labels, images}` or `split: {val: 0.2, by: file}` in the entry"
        raise refusal(where, fault=fault, accepted=accepted)
    return {split: _only(labels, images) for split, images in found.items()}


def _only(labels: Labels, images: Sequence[LabelledImage]) -> Labels:
    """Notes go with the images that they are of, those of no image with the first split."""
    names = {name for image in images for name in (image.file, image.id)}
    every = {name for image in labels.images for name in (image.file, image.id)}
    first = bool(labels.images) and any(image is labels.images[0] for image in images)
    notes = [n for n in labels.notes if n.image in names or (first and n.image not in every)]
    return replace(labels, images=tuple(images), notes=tuple(notes))


def _unit(image: LabelledImage, by: str) -> str:
    if by == "file":
        return image.file
    place = PurePosixPath(image.file)
    if by == "folder":
        return place.parent.as_posix()
    stem = re.sub(r"\d+$", "", place.stem)
    return image.group or (place.parent / stem).as_posix()
