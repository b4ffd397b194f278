"""Which predictions find which people, by OKS: COCO's rules, all images and thresholds at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.evaluators.matching.people import People

THRESHOLDS = np.linspace(0.5, 0.95, 10)
AT_ONCE = 1024  # images matched together: arrays of about a megabyte
Range = tuple[float, float]  # of areas in pixels^2, both ends included


@dataclass(frozen=True)
class Matching:
    """hit [A, T, D]: found a person; ignored [A, T, D]: counts neither way; positives [A, I].

    A area ranges, T thresholds, D predictions, I images; positives are people to find.
    """

    hit: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Every prediction beside every person of its image: rows of both, and their OKS [P]."""

    found: np.ndarray
    truth: np.ndarray
    oks: np.ndarray


def match(
    truth: People,
    found: People,
    images: int,
    sigmas: Sequence[float],
    ranges: Sequence[Range],
    thresholds: np.ndarray = THRESHOLDS,
) -> Matching:
    """Greedy: the best prediction chooses first, the person of the largest OKS, real ones first.

    Crowds, people of whom the file counts no keypoint (`People.wanted`) and people outside an area
    range are ignored: what matches them counts neither way, nor does a miss outside the range. Of
    people equally near the later is taken, as pycocotools does. `found` is sorted best first in
    each image.
    """
    outside = np.stack([_outside(truth.area, r) for r in ranges])
    ignore = outside | ~truth.wanted
    away = np.stack([_outside(found.area, r) for r in ranges])
    pairs = all_pairs(truth, found, images, sigmas)
    return match_people(truth, found, pairs, images, ignore, away, thresholds)


def match_people(
    truth: People,
    found: People,
    pairs: Pairs,
    images: int,
    ignore: np.ndarray,
    away: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
) -> Matching:
    """`match` where who is ignored [A, G], and whose miss counts neither way [A, D], is given."""
    shape = (len(ignore), len(thresholds), len(found))
    hit, ignored = np.zeros(shape, bool), np.zeros(shape, bool)
    for group in _groups(truth, found, pairs, images):
        rows, best, people = _match_group(group, truth.crowd, ignore, thresholds)
        hit[:, :, rows] = best > 0
        ignored[:, :, rows] = (best > 0) & (best <= people)
    ignored |= ~hit & away[:, None]
    positives = np.stack(
        [np.bincount(truth.image_index[~rows], minlength=images) for rows in ignore]
    )
    return Matching(hit, ignored, positives)


def _outside(area: np.ndarray, limits: Range) -> np.ndarray:
    return (area < limits[0]) | (area > limits[1])


def all_pairs(truth: People, found: People, images: int, sigmas: Sequence[float]) -> Pairs:
    """Pairs in the order of `found`, and of `truth` for each."""
    first, people = _spans(truth, images)
    per_found = people[found.image_index]
    rows = np.repeat(np.arange(len(found)), per_found)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(per_found) - per_found, per_found)
    theirs = first[found.image_index[rows]] + within
    return Pairs(rows, theirs, oks_of(truth, theirs, found.keypoints_image, rows, sigmas))


def oks_of(
    truth: People,
    theirs: np.ndarray,
    points: np.ndarray,
    rows: np.ndarray,
    sigmas: Sequence[float],
) -> np.ndarray:
    """OKS [P] of points[rows] with the people `theirs`, over labelled keypoints (COCO).

    Of people without any, over all keypoints' distances to the box grown threefold. Keypoints are
    added in pycocotools' order, so the last bit is the same.
    """
    variance = (np.asarray(sigmas, dtype=np.float64) * 2) ** 2
    labelled = truth.labelled[theirs]
    oks = np.zeros(len(theirs))
    with np.errstate(over="ignore"):  # an area below 0 makes e^x overflow: infinitely near
        for count in np.unique(labelled):
            of = np.flatnonzero(labelled == count)
            if count:
                squared, spread = _to_keypoints(truth, theirs[of], points, rows[of], variance)
            else:
                squared, spread = _to_box(truth, theirs[of], points[rows[of]]), variance
            e = squared / spread / (truth.area[theirs[of], None] + np.spacing(1)) / 2
            oks[of] = np.exp(-e).sum(axis=1) / e.shape[1]
    return oks


def _to_keypoints(
    truth: People, theirs: np.ndarray, points: np.ndarray, rows: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances [P, n] of the n labelled keypoints that each has, and their variances."""
    people, back = np.unique(theirs, return_inverse=True)
    columns = np.nonzero(truth.visible[people])[1].reshape(len(people), -1)  # [G, n]
    keypoints = truth.visible.shape[1]
    at = 2 * ((rows * keypoints)[:, None] + columns[back])  # [P, n]: x in the flat array, y next
    goal = 2 * ((people * keypoints)[:, None] + columns)
    ours, wanted = points.reshape(-1), truth.keypoints_image.reshape(-1)
    x, y = ours[at] - wanted[goal][back], ours[at + 1] - wanted[goal + 1][back]
    return x**2 + y**2, variance[columns][back]


def _to_box(truth: People, theirs: np.ndarray, points: np.ndarray) -> np.ndarray:
    squared = np.zeros(points.shape[:2])
    for axis in (0, 1):
        start, side = truth.box_image[theirs, axis], truth.box_image[theirs, axis + 2]
        low, high = (start - side)[:, None], (start + side * 2)[:, None]
        at = points[..., axis]
        squared += (np.maximum(0, low - at) + np.maximum(0, at - high)) ** 2
    return squared


@dataclass(frozen=True)
class _Group:
    """I images of 1 to G people: rows of found [D, I] and truth [G, I], -1 beyond; oks [D, G, I].

    Images are sorted by how much was found in them, most first.
    """

    found: np.ndarray
    truth: np.ndarray
    oks: np.ndarray


def _groups(truth: People, found: People, pairs: Pairs, images: int) -> Iterator[_Group]:
    """Images with people and predictions, those of about as many people together."""
    first_person, people = _spans(truth, images)
    first_found, predictions = _spans(found, images)
    first_pair = np.concatenate([[0], np.cumsum(people * predictions)])
    both = np.flatnonzero((people > 0) & (predictions > 0))
    size = np.ceil(np.log2(np.maximum(people[both], 1))).astype(int)  # 1, 2, 3-4, 5-8 ... people
    for exponent in np.unique(size):
        of = both[size == exponent]
        of = of[np.argsort(-predictions[of], kind="stable")]
        for start in range(0, len(of), AT_ONCE):
            chosen = of[start : start + AT_ONCE]
            counts, theirs = predictions[chosen], people[chosen]
            d, g = np.arange(counts.max())[:, None], np.arange(theirs.max())[:, None]
            pair = first_pair[chosen] + d[:, None] * theirs + g  # [D, G, I]
            inside = (d < counts)[:, None] & (g < theirs)
            oks = np.where(inside, pairs.oks[np.where(inside, pair, 0)], -1.0)
            yield _Group(
                np.where(d < counts, first_found[chosen] + d, -1),
                np.where(g < theirs, first_person[chosen] + g, -1),
                oks,
            )


def _match_group(
    group: _Group, crowd: np.ndarray, ignore: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """(rows of found [N], key of what each matched [A, T, N], G).

    A key is 0 for nothing, 1..G for someone who is ignored, above G for someone to be found.
    """
    depth, people, images = group.oks.shape
    order = np.argsort(group.oks, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(people)[None, :, None], axis=1)  # 0: the least OKS
    real = ~ignore[:, group.truth]  # [A, G, I]
    least = np.minimum(thresholds, 1 - 1e-10)
    passed = np.searchsorted(least, group.oks, side="right").astype(np.int8)  # thresholds [D, G, I]
    level = np.arange(len(least), dtype=np.int8)[:, None]
    again = crowd[group.truth][:, None, None]  # a crowd is matched any number of times
    key = (rank + 1).astype(np.int16)
    bonus = (real * people).astype(np.int16).swapaxes(0, 1)[:, :, None]  # [G, A, 1, I]
    free = np.ones((people, len(ignore), len(least), images), bool)
    best = np.zeros((depth, len(ignore), len(least), images), np.int16)
    for d, count in enumerate((group.found >= 0).sum(axis=1)):
        near = (passed[d, :, None, :count] > level)[:, None]  # [G, 1, T, n]
        choice = key[d, :, None, None, :count] + bonus[..., :count]
        wanted = choice * (free[..., :count] & near)
        best[d, ..., :count] = top = wanted.max(axis=0)
        taken = (wanted == top) & (top > 0)
        free[..., :count] &= ~taken | again[..., :count]
    rows = group.found >= 0
    return group.found[rows], best.transpose(1, 2, 0, 3)[:, :, rows], people


def _spans(people: People, images: int) -> tuple[np.ndarray, np.ndarray]:
    """First row and number of rows of each image [I]."""
    counts = np.bincount(people.image_index, minlength=images)
    return np.cumsum(counts) - counts, counts
