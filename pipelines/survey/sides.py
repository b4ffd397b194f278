"""Do left and right stand where they should? Two statistics of labelled people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.datasets.formats.labels import Labels
from data.ground.skeleton import Skeleton
from pipelines.survey.counts import people_of
from pipelines.survey.spellings import known_name

FACE = ("nose", "left_eye", "right_eye")  # all visible: the person is seen from the front


@dataclass(frozen=True)
class PairSides:
    """Of one (left, right) pair: in how many people it is looked at, and in how many it is odd."""

    pair: tuple[str, str]
    people: int
    odd: int


def front_sides(labels: Labels, skeleton: Skeleton) -> list[PairSides]:
    """People who are seen from the front (nose and both eyes visible), upright or not.

    Odd: the left one lies on the image's left of the right one. Who faces the camera has it on the
    image's right but for crossed limbs and heads down. Empty without a face's keypoints; the pair
    of the eyes is looked at as any other.
    """
    face = [_index(skeleton, name) for name in FACE]
    if None in face:
        return []
    front = [
        person for _, person in people_of(labels) if (person.visibility[np.array(face)] == 2).all()
    ]
    shift = _shifts([p.keypoints_image for p in front], [p.visibility for p in front], skeleton)
    return [
        PairSides(pair, int(there.sum()), int((across[there] < 0).sum()))
        for pair, across in zip(skeleton.mirrored, shift[..., 0].T, strict=True)
        for there in [np.isfinite(across)]
    ]


def pair_sides(labels: Labels, skeleton: Skeleton) -> list[PairSides]:
    """Each pair against the others of the same person, whichever way that one is turned.

    Odd: from right to left it points against the sum of the other pairs of the person.
    """
    people = [person for _, person in people_of(labels)]
    shift = _shifts([p.keypoints_image for p in people], [p.visibility for p in people], skeleton)
    told = []
    for n, pair in enumerate(skeleton.mirrored):
        others = np.nansum(np.delete(shift, n, axis=1), axis=1)
        along = (shift[:, n] * others).sum(axis=1)
        there = np.isfinite(along) & (along != 0)
        told.append(PairSides(pair, int(there.sum()), int((along[there] < 0).sum())))
    return told


def _shifts(
    points: list[np.ndarray], visibility: list[np.ndarray], skeleton: Skeleton
) -> np.ndarray:
    """[N, pairs, 2]: from the right keypoint to the left one in pixels; nan: not both labelled."""
    at = np.array([[skeleton.keypoints.index(n) for n in pair] for pair in skeleton.mirrored])
    if not points or not at.size:
        return np.full((len(points), len(at), 2), np.nan)
    places, flags = np.stack(points), np.stack(visibility)
    both = np.greater(flags[:, at], 0).all(axis=2)
    return np.where(both[..., None], places[:, at[:, 0]] - places[:, at[:, 1]], np.nan)


def _index(skeleton: Skeleton, known: str) -> int | None:
    found = (known_name(name, FACE) == known for name in skeleton.keypoints)
    return next((n for n, is_it in enumerate(found) if is_it), None)
