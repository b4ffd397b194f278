"""What is wrong with the poses that found someone, keypoint by keypoint; people in groups.

Kinds of error after Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose
Estimation" (ICCV 2017), section 3.1: by the keypoint similarity exp(-d^2 / (2 s^2 k^2)) to one's
own true keypoint, to its mirror image, and to the same two of other people in the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.evaluators.matching.matches import OksMatches
from data.evaluators.matching.oks_matching import Pairs, all_pairs, match_people
from data.evaluators.matching.people import People
from data.ground.skeleton import Skeleton

KINDS = ("good", "jitter", "inversion", "swap", "miss")
FOUND = 0.1  # OKS from which a prediction belongs to a person (the paper's matching threshold)
NEAR, EXACT = 0.5, 0.85  # keypoint similarity: jitter lies between, good above
OVERLAP = 0.1  # IoU of boxes from which people crowd each other


@dataclass(frozen=True)
class Diagnosis:
    """M predictions with their people: rows found [M], truth [M], and their oks [M].

    similarity [M, K] to one's own keypoint; kind [M, K]: place in KINDS; NaN and -1 where the
    keypoint is not labelled.
    """

    found: np.ndarray
    truth: np.ndarray
    oks: np.ndarray
    similarity: np.ndarray
    kind: np.ndarray


def diagnose(truth: People, found: People, images: int, skeleton: Skeleton) -> Diagnosis:
    """`found` is sorted best first in each image (data.evaluators.people.best_found)."""
    pairs = all_pairs(truth, found, images, skeleton.sigmas)
    own = pair_up(pairs, truth.wanted)
    mirror = np.array(skeleton.mirror)
    straight = similarity(truth, found, pairs, skeleton, np.arange(len(mirror)))
    mirrored = similarity(truth, found, pairs, skeleton, mirror)
    others = np.zeros((len(found), len(mirror)))
    rest = np.ones(len(pairs.found), bool)
    rest[own] = False
    np.maximum.at(others, pairs.found[rest], np.maximum(straight, mirrored)[rest])
    swapped = others[pairs.found[own]]
    labelled = truth.visible[pairs.truth[own]]
    kind = np.where(labelled, kinds(straight[own], mirrored[own], swapped), -1)
    shown = np.where(labelled, straight[own], np.nan)
    return Diagnosis(pairs.found[own], pairs.truth[own], pairs.oks[own], shown, kind)


def pair_up(pairs: Pairs, real: np.ndarray, least: float = FOUND) -> np.ndarray:
    """Rows of `pairs` in which a prediction takes a person: best first, each person once."""
    near = np.flatnonzero((pairs.oks >= least) & real[pairs.truth])
    near = near[np.lexsort((-pairs.oks[near], pairs.found[near]))]
    taken: set[int] = set()
    done, chosen = -1, []
    for row in near.tolist():
        one, other = int(pairs.found[row]), int(pairs.truth[row])
        if one != done and other not in taken:
            done = one
            taken.add(other)
            chosen.append(row)
    return np.array(chosen, dtype=np.int64)


def similarity(
    truth: People, found: People, pairs: Pairs, skeleton: Skeleton, to: np.ndarray
) -> np.ndarray:
    """[P, K] of each predicted keypoint k to the true keypoint to[k]; 0 where not labelled."""
    goal = truth.keypoints_image[pairs.truth][:, to]
    squared = np.square(found.keypoints_image[pairs.found] - goal).sum(axis=-1)
    spread = (2 * np.array(skeleton.sigmas)) ** 2 * 2
    area = np.maximum(truth.area[pairs.truth], 0.0)[:, None] + np.spacing(1)
    return np.where(truth.visible[pairs.truth][:, to], np.exp(-squared / area / spread), 0.0)


def kinds(own: np.ndarray, mirrored: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Place in KINDS by what a keypoint is most similar to; one's own wins where it is as near."""
    best = np.maximum(np.maximum(own, mirrored), others)
    wrong = np.where(others >= mirrored, KINDS.index("swap"), KINDS.index("inversion"))
    right = np.where(own >= EXACT, KINDS.index("good"), KINDS.index("jitter"))
    near = np.where(own >= best, right, wrong)
    return np.where(best < NEAR, KINDS.index("miss"), near)


def neighbours(truth: People) -> np.ndarray:
    """How many other people's boxes overlap one's own by more than OVERLAP [G], in its image."""
    low = truth.box_image[:, :2]
    high = low + np.maximum(truth.box_image[:, 2:], 0)
    size = np.prod(high - low, axis=1)
    real = truth.wanted
    count = np.zeros(len(truth), dtype=np.int64)
    starts = np.searchsorted(truth.image_index, truth.image_index, side="left")
    ends = np.searchsorted(truth.image_index, truth.image_index, side="right")
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        with_ = slice(start, end)
        sides = np.minimum(high[row], high[with_]) - np.maximum(low[row], low[with_])
        shared = np.prod(np.maximum(sides, 0), axis=1)
        overlap = shared / np.maximum(size[row] + size[with_] - shared, np.spacing(1))
        count[row] = np.count_nonzero((overlap > OVERLAP) & real[with_]) - int(
            real[row] and size[row] > 0
        )
    return count


def group_matches(
    truth: People,
    found: People,
    image_ids: np.ndarray,
    skeleton: Skeleton,
    groups: np.ndarray,
    astray: np.ndarray,
) -> list[OksMatches]:
    """Matches of each group [A, G] of people alone: all others are ignored.

    A prediction that finds nobody counts in the group of the person it is nearest to (OKS from
    FOUND on); where it is near nobody, in the groups that `astray` [A, D] says.
    """
    images = len(image_ids)
    pairs = all_pairs(truth, found, images, skeleton.sigmas)
    near = np.flatnonzero(pairs.oks >= FOUND)
    near = near[np.argsort(pairs.oks[near], kind="stable")]
    nearest = np.full(len(found), -1)
    nearest[pairs.found[near]] = pairs.truth[near]  # the last one written is the nearest
    away = np.where(nearest >= 0, ~groups[:, nearest], ~astray)
    ignore = ~groups | ~truth.wanted
    made = match_people(truth, found, pairs, images, ignore, away)
    return [
        OksMatches(image_ids, positives, found.image_index, found.score, hit, ignored)
        for positives, hit, ignored in zip(made.positives, made.hit, made.ignored, strict=True)
    ]
