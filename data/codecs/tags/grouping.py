"""Peaks of keypoints joined to people by their tags, keypoint after keypoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from data.codecs.tags.peaks import Peaks

FAR = 1e7  # cost of a pair that must not be; above any sum of 30 allowed ones


class People:
    """Who has which peak so far: members int64 [G, K] (-1: none), the tags that they are known by.

    `known_by`: with the reference code's dictionary, where the tag's first value names a person.
    """

    def __init__(self, keypoints: int, passes: int, named: bool) -> None:
        self.members = np.zeros((0, keypoints), dtype=np.int64)
        self.total = np.zeros((0, passes))
        self.count = np.zeros(0)
        self.known_by: dict[float, int] | None = {} if named else None

    def __len__(self) -> int:
        return len(self.members)

    def mean_tags(self) -> np.ndarray:
        return self.total / self.count[:, None]

    def join(self, people: np.ndarray, keypoint: int, peaks: np.ndarray, tags: np.ndarray) -> None:
        self.members[people, keypoint] = peaks
        self.total[people] += tags
        self.count[people] += 1

    def begin(self, keypoint: int, peaks: np.ndarray, tags: np.ndarray) -> None:
        """New people; one who goes by the name of another takes over that person."""
        if self.known_by is not None:
            for peak, tag in zip(peaks, tags, strict=True):
                self._begin_named(keypoint, int(peak), tag)
            return
        self._append(len(peaks))
        self.join(np.arange(len(self) - len(peaks), len(self)), keypoint, peaks, tags)

    def _begin_named(self, keypoint: int, peak: int, tag: np.ndarray) -> None:
        assert self.known_by is not None
        person = self.known_by.setdefault(float(tag[0]), len(self))
        if person == len(self):
            self._append(1)
        self.members[person, keypoint] = peak
        self.total[person], self.count[person] = tag, 1

    def _append(self, count: int) -> None:
        nobody = np.full((count, self.members.shape[1]), -1)
        self.members = np.concatenate([self.members, nobody])
        self.total = np.concatenate([self.total, np.zeros((count, self.total.shape[1]))])
        self.count = np.concatenate([self.count, np.zeros(count)])


def group(
    peaks: Peaks,
    order: Sequence[int],
    threshold: float,
    grouping: Literal["gated", "reference"],
    most: int,
) -> np.ndarray:
    """int64 [G, K]: which peak each person has of each keypoint, -1: none. At most K P people.

    Keypoints are joined in `order`; each peak costs 100 * round(distance) - score with a person,
    distance to the mean of the person's tags so far, and the cheapest assignment is taken.
    "gated": pairs no nearer than the threshold are out before.
    "reference": they are thrown out of the assignment afterwards, peaks are assigned to the first
    `most` people only, and people whose tags begin alike are one (HigherHRNet's code).
    """
    keypoints, _, passes = peaks.tags.shape
    people = People(keypoints, passes, named=grouping == "reference")
    for k in order:
        count = int(peaks.counts[k])
        if not count:
            continue
        scores, tags = peaks.scores[k, :count].astype(np.float64), peaks.tags[k, :count]
        known = people.mean_tags()
        if grouping == "reference":
            rows, owners = _assign_then_gate(scores, tags, known[:most], threshold)
        else:
            rows, owners = _gate_then_assign(scores, tags, known, threshold)
        fresh = np.ones(count, dtype=bool)
        fresh[rows] = False
        if grouping == "reference":
            _in_turn(people, k, tags, dict(zip(rows.tolist(), owners.tolist(), strict=True)))
            continue
        people.join(owners, k, rows, tags[rows])
        people.begin(k, np.flatnonzero(fresh), tags[fresh])
    return people.members


def _in_turn(people: People, keypoint: int, tags: np.ndarray, owners: dict[int, int]) -> None:
    """Peak by peak, as the reference code: a new person may take over one who was just joined."""
    for row, tag in enumerate(tags):
        one = np.array([row])
        if row in owners:
            people.join(np.array([owners[row]]), keypoint, one, tag[None])
        else:
            people.begin(keypoint, one, tag[None])


def _distances(tags: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[P, T], [G, T] -> [P, G]."""
    squares = np.square(tags[:, None] - known[None])
    return np.asarray(np.sqrt(squares.sum(2)))


def _gate_then_assign(
    scores: np.ndarray, tags: np.ndarray, known: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """(peaks, their people); the others are new people."""
    distance = _distances(tags, known)
    allowed = distance < threshold
    cost = np.round(distance) * 100 - scores[:, None]
    rows, owners = linear_sum_assignment(np.where(allowed, cost, FAR))
    kept = allowed[rows, owners]
    return rows[kept], owners[kept]


def _assign_then_gate(
    scores: np.ndarray, tags: np.ndarray, known: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    distance = _distances(tags, known)
    rows, owners = linear_sum_assignment(np.round(distance) * 100 - scores[:, None])
    kept = distance[rows, owners] < threshold
    return rows[kept], owners[kept]
