"""OKS fall-offs from people who were labelled twice, as COCO measured its own.

sigma^2 = E[d^2 / s^2], d: how far one annotator's point lies from the true one, s: the root of the
person's area (COCO, keypoint evaluation, "tuning OKS"). Two labellings differ by the errors of
both, so that half of the mean of their squared distance is one annotator's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.sources.own_rows import AREA_OF_BOX
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from pipelines.recipe.yaml_edits import set_numbers
from pipelines.survey.counts import box_of
from pipelines.survey.spellings import known_skeletons

OVERLAP = 0.5  # of two boxes (intersection over union) that are of one person
ASTRAY = 0.5  # in units of s: further apart, two points are not the same keypoint to both
SMALLEST = 0.001  # of a sigma that is written: 0 would score nothing
LEAST = 10  # pairs of points from which an estimate is taken

Pair = tuple[LabelledPerson, LabelledPerson]


@dataclass(frozen=True)
class Measured:
    """Of one keypoint: its sigma (nan: fewer pairs than LEAST), from how many pairs of points, and
    how many were further apart than ASTRAY and left out."""

    keypoint: str
    sigma: float
    pairs: int
    astray: int


def labelled_by_both(first: Labels, second: Labels) -> list[Pair]:
    """People of images of the same name in two files of labels, which name the same keypoints."""
    if first.keypoints != second.keypoints:
        raise ValueError(
            f"the two files of labels: given keypoints {', '.join(first.keypoints)} and "
            f"{', '.join(second.keypoints)}, accepted: the same in the same order"
        )
    others = {image.file: image for image in second.images}
    return [
        pair
        for image in first.images
        if image.file in others
        for pair in same_people(image, others[image.file])
    ]


def same_people(first: LabelledImage, second: LabelledImage) -> Iterator[Pair]:
    """Who is whom, so that the sum of overlaps is largest; boxes overlap by OVERLAP or more."""
    a, b = _whole_people(first), _whole_people(second)
    overlaps = np.array([[_overlap(one, other) for other in b] for one in a])
    if overlaps.size:
        for i, j in zip(*linear_sum_assignment(-overlaps), strict=True):
            if overlaps[i, j] >= OVERLAP:
                yield a[i], b[j]


def measured_sigmas(keypoints: Sequence[str], pairs: Sequence[Pair]) -> list[Measured]:
    """One answer per keypoint; s^2: the mean of both areas, each AREA_OF_BOX of its box where
    none is told."""
    squares: list[list[float]] = [[] for _ in keypoints]
    astray = [0] * len(keypoints)
    for one, other in pairs:
        scale = (_area(one) + _area(other)) / 2
        square = ((one.keypoints_image - other.keypoints_image) ** 2).sum(axis=1) / scale
        for k in np.flatnonzero((one.visibility > 0) & (other.visibility > 0)):
            if square[k] > ASTRAY**2:
                astray[k] += 1
            else:
                squares[k].append(float(square[k]))
    return [
        Measured(name, _root(found), len(found), astray[k])
        for k, (name, found) in enumerate(zip(keypoints, squares, strict=True))
    ]


def measured_lines(told: Sequence[Measured], skeleton: Skeleton, people: int) -> list[str]:
    """A line per keypoint: the sigma that stands in the skeleton, the measured one, from what."""
    width = max(map(len, skeleton.keypoints))
    lines = [f"{people} people labelled twice; {'sigma':<{width}}  now  measured  pairs of points"]
    for each, now in zip(told, skeleton.sigmas, strict=True):
        few = f"too few: at least {LEAST}" if np.isnan(each.sigma) else f"{each.sigma:.3f}"
        astray = f", {each.astray} far apart left out" if each.astray else ""
        lines.append(f"  {each.keypoint:<{width}}  {now:.3f}  {few}  {each.pairs}{astray}")
    return lines


def write_sigmas(path: Path, told: Sequence[Measured], skeleton: Skeleton) -> None:
    """Into a skeleton's file, what was measured alone. Raises ValueError for one of the menu's,
    whose numbers are official, and where nothing was measured."""
    if skeleton in known_skeletons():
        do = "copy it under another name, and name that in the data set's entry"
        raise refusal(path, fault="its sigmas are official", do=do)
    measured = [float(np.maximum(each.sigma, SMALLEST)) for each in told]  # nan stays nan
    if all(map(np.isnan, measured)):
        fault = f"no keypoint was labelled twice in {LEAST} people or more"
        raise refusal(path, fault=fault, do="label more people twice")
    kept = zip(measured, skeleton.sigmas, strict=True)
    sigmas = [now if np.isnan(new) else round(new, 4) for new, now in kept]
    count = sum(not np.isnan(new) for new in measured)
    about = f"of OKS: {count} of {len(told)} measured on people labelled twice"
    set_numbers(path, "sigmas", sigmas, about)


def _root(squares: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(squares) / 2)) if len(squares) >= LEAST else float("nan")


def _whole_people(image: LabelledImage) -> list[LabelledPerson]:
    return [
        person
        for person in image.people
        if not person.is_crowd and person.visibility.any() and _area(person) > 0
    ]


def _area(person: LabelledPerson) -> float:
    if person.area is not None and person.area > 0:
        return person.area
    box = box_of(person)
    return AREA_OF_BOX * box[2] * box[3] if box is not None else 0.0


def _overlap(one: LabelledPerson, other: LabelledPerson) -> float:
    (ax, ay, aw, ah), (bx, by, bw, bh) = box_of(one) or (0,) * 4, box_of(other) or (0,) * 4
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    common = max(width, 0.0) * max(height, 0.0)
    return common / max(aw * ah + bw * bh - common, 1e-9)
