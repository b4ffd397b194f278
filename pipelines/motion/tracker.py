"""Who is who: poses of one frame after another get ids that stay with people.

Each person goes on at their speed until the next look (`kalman.py`); people expected and poses
found are paired so that they are most alike in sum (the Hungarian method), where alike is the mean
of OKS, over keypoints that both see, and of IoU. Sure poses choose among all who are followed, then
unsure ones among those who are left of the last frame (two rounds, as ByteTrack: Zhang et al.,
ECCV 2022); who is new must be sure. Where people are more alike if all are expected elsewhere by as
much it was the camera that moved, and there they are. Nothing is learned of looks: two people who
meet out of sight and turn back may leave with each other's ids.

Own, because `trackers` 2.6 (Apache-2.0) goes by boxes alone, counts patience in frames, and brings
`supervision` with it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose
from pipelines.motion.followed import Followed, newcomer
from pipelines.motion.likeness import Bodies, bodies_of, likeness

SURE = 0.3  # of the best pose score of late: poses below it start nobody
FADING = 0.5  # of that best score is left after a second in which nobody had it
ALIKE, UNSURE_ALIKE = 0.2, 0.4  # least likeness of a pair in the first and in the second round
TWIN = 0.7  # a pose this like one that has a person already is the same person, found twice
ABSENT = 0.1  # what a whole patience out of sight takes off a likeness: the just seen come first
DOUBT = 0.15  # sizes: more than this, not knowing where somebody is excuses no distance
WEAK = 0.1  # how much less a pose of score 0 is chosen than one as alike of the best score
HARDLY = 0.02  # least likeness of pairs that together tell where the camera went
MANY, SHAKEN = 3, 0.05  # people, and sizes by which their median is off, that tell of it
GAPS = 9  # of which the median is the usual time from frame to frame


class Tracker:
    """One video's people; a new one for each video.

    sigmas [K]: the skeleton's. patience: seconds that somebody may be out of sight; where frames
    come more seldom than that, two of their usual gaps. Raises ValueError where it is not positive.
    """

    def __init__(self, sigmas: Sequence[float], *, patience: float = 1.0) -> None:
        if not 0 < patience < math.inf:
            raise refusal("patience", given=patience, accepted="seconds above 0")
        self._sigmas = np.asarray(sigmas, dtype=np.float64)
        self._patience = patience
        self._people: list[Followed] = []
        self._born = 0
        self._now: float | None = None
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._asked: float | None = None  # for when boxes were told
        self._best = 0.0

    def update(self, poses: Sequence[Pose], seconds: float) -> list[Pose]:
        """The same poses in the same order, each with the id (1, 2, ...) of its person.

        An id stays with somebody, is never two poses' in a frame, nor given again; 0 is nobody's:
        of a pose too unsure to start a person, of one found twice, or without a keypoint. seconds:
        of the frame; time that stands still or goes back counts as no time, a gap far above the
        usual one as a cut.
        """
        step = self._go_on(seconds)
        scores = np.array([pose.score for pose in poses], dtype=np.float64)
        scores = np.maximum(np.nan_to_num(scores, posinf=0.0), 0.0)
        self._best = max(self._best * FADING**step, scores.max(initial=0.0))
        certain = scores >= SURE * self._best
        owners = self._pair(poses, scores, certain)
        self._remember(poses, owners, told=self._asked is not None and self._asked == seconds)
        if poses and certain.any():
            self._welcome(poses, scores, certain, owners)
        return [replace(pose, id=id) for pose, id in zip(poses, owners.tolist(), strict=True)]

    def expected(self, seconds: float) -> tuple[np.ndarray, np.ndarray]:
        """(box_image [M, 4], score [M]) of the people of the last frame, as expected `seconds`.

        A box is around the sure keypoints, 0.15 of its mean side wider on each side (the median of
        COCO's boxes). A score is the pose's over the mean of its sure keypoints: about what its box
        had; it stays the same over frames read from such boxes, or it would fade on its own.
        """
        self._asked = seconds
        ahead = _forward(self._now, seconds)
        people = [person.later(ahead) for person in self._people if not person.missed]
        boxes = np.array([person.span for person in people]).reshape(-1, 4)
        return boxes, np.array([person.box_score for person in people])

    def _go_on(self, seconds: float) -> float:
        """To the frame's time, how many seconds later that is; who was away too long is let go."""
        step = _forward(self._now, seconds)
        self._now = seconds
        if step:
            self._gaps.append(step)
        usual = float(np.median(self._gaps)) if self._gaps else 0.0
        longest = max(self._patience, 2 * usual)
        later = [person.later(step) for person in self._people]
        self._people = [person for person in later if person.unseen <= longest]
        return step

    def _pair(self, poses: Sequence[Pose], scores: np.ndarray, certain: np.ndarray) -> np.ndarray:
        """Of each pose the id of its person, or 0; people are expected elsewhere afterwards, where
        the camera explains it."""
        if not self._people or not poses:
            return np.zeros(len(poses), dtype=np.int64)
        found = bodies_of(poses)
        worth = 1 - WEAK * (1 - scores / self._best) if self._best > 0 else np.ones(len(poses))
        alike = self._alike(self._people, found)
        owners, total = _rounds(self._people, alike, worth, certain)
        moved = self._moved(poses, _pairs(np.where(certain, alike, 0.0), worth, HARDLY))
        if moved:
            again, more = _rounds(moved, self._alike(moved, found), worth, certain)
            if more > total:
                self._people, owners = moved, again
        return owners

    def _alike(self, people: Sequence[Followed], found: Bodies) -> np.ndarray:
        """[people, poses], 1 at most; 0 of poses that show no keypoint."""
        doubt = [min(p.motion.place_variance, DOUBT**2) * p.size**2 for p in people]
        alike = likeness(_bodies(people), found, self._sigmas, np.array(doubt))
        missed = np.array([person.missed for person in people])
        absent = np.array([person.unseen for person in people]) / self._patience
        alike -= ABSENT * (missed * np.minimum(absent, 1.0))[:, None]
        return np.asarray(alike * found.weights.any(axis=1))

    def _moved(self, poses: Sequence[Pose], pairs: Sequence[tuple[int, int]]) -> list[Followed]:
        """All people where they would be expected had the camera moved; empty: it has not."""
        if len(pairs) < MANY:
            return []
        away = np.median([self._people[row].away(poses[column]) for row, column in pairs], axis=0)
        size = float(np.median([self._people[row].size for row, _ in pairs]))
        far = float(np.linalg.norm(away)) >= SHAKEN * size
        return [person.moved(away) for person in self._people] if far else []

    def _remember(self, poses: Sequence[Pose], owners: np.ndarray, told: bool) -> None:
        """Whom of this frame each followed person was; told: in boxes that came from here."""
        found = dict(zip(owners.tolist(), poses, strict=True))
        self._people = [
            person.seen_as(pose, told) if (pose := found.get(person.id)) else person.unfound()
            for person in self._people
        ]

    def _welcome(
        self, poses: Sequence[Pose], scores: np.ndarray, certain: np.ndarray, owners: np.ndarray
    ) -> None:
        """People start with sure poses that are nobody's and nobody's double, the surest first."""
        bodies = bodies_of(poses)
        for row in np.argsort(-scores, kind="stable").tolist():
            if owners[row] or not certain[row] or not bodies.weights[row].any():
                continue
            taken = np.flatnonzero(owners)
            others, one = (Bodies(*(each[rows] for each in bodies)) for rows in (taken, [row]))
            if likeness(one, others, self._sigmas, np.zeros(1)).max(initial=0.0) < TWIN:
                self._born += 1
                owners[row] = self._born
                self._people.append(newcomer(self._born, poses[row]))


def _bodies(people: Sequence[Followed]) -> Bodies:
    return Bodies(
        np.stack([person.points for person in people]),
        np.stack([person.weights for person in people]),
        np.stack([person.span for person in people]),
    )


def _rounds(
    people: Sequence[Followed], alike: np.ndarray, worth: np.ndarray, certain: np.ndarray
) -> tuple[np.ndarray, float]:
    """(of each pose the id of its person or 0, how alike all pairs are in sum)."""
    owner, total = np.full(len(certain), -1), 0.0
    last = np.array([not person.missed for person in people])
    for who, which, least in ((True, certain, ALIKE), (last, ~certain, UNSURE_ALIKE)):
        free = ~np.isin(np.arange(len(people)), owner)
        rows, columns = np.flatnonzero(free & who), np.flatnonzero(which)
        for row, column in _pairs(alike[np.ix_(rows, columns)], worth[columns], least):
            owner[columns[column]] = rows[row]
            total += float(alike[rows[row], columns[column]])
    ids = np.array([*(person.id for person in people), 0])
    return ids[owner], total


def _pairs(alike: np.ndarray, worth: np.ndarray, least: float) -> list[tuple[int, int]]:
    """(row, column) of those that together are most alike [N, M], times the columns' worth [M];
    none less alike than `least`."""
    from scipy.optimize import linear_sum_assignment

    gain = np.where(alike >= least, alike * worth, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    kept = gain[rows, columns] > 0
    return list(zip(rows[kept].tolist(), columns[kept].tolist(), strict=True))


def _forward(start: float | None, end: float) -> float:
    """Seconds from start to end, 0 where there is no start or time does not go on."""
    step = 0.0 if start is None else end - start
    return step if 0 < step < math.inf else 0.0
