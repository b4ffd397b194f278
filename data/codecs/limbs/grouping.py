"""From the peaks of one image and its part affinity fields to people.

Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017: the
line integral of equation 10, one-to-one matching of each limb's ends, people by shared keypoints.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from data.codecs.limbs.peaks import BORDER, Peaks, cubic_weights


class Rules(NamedTuple):
    """What makes a limb and a person; see the codec's options."""

    limb_threshold: float
    samples: int
    needed: int  # of the samples above the threshold
    hungarian: bool
    min_parts: int
    min_score: float


class People(NamedTuple):
    """Of one image: points [N, K, 2] in input pixels, scores [N, K] (0: not found).

    parts [N] int64 (ears found through a shoulder do not count); total [N]: scores of the
    keypoints and of the limbs between them, summed.
    """

    points: np.ndarray
    scores: np.ndarray
    parts: np.ndarray
    total: np.ndarray


def group(
    peaks: Peaks,
    pafs: np.ndarray,
    limbs: np.ndarray,
    order: np.ndarray,
    loops: int,
    scale: tuple[float, float],
    enlarged: bool,
    rules: Rules,
) -> People:
    """People of one image. Pure; most of it runs without the interpreter's lock.

    pafs float32 [2 L, h + 4, w + 4], bordered; limbs int64 [L, 2]: keypoints of each limb; order
    [L]: the order of assembly, a limb's first end before it, the last `loops` of them close loops.
    scale: input pixels per cell along x and y; enlarged: fields are sampled at whole pixels as if
    enlarged bicubically, else bilinearly between the cells.
    Bounds, with P peaks of a channel at most: L P^2 pairs of 2 to `samples` samples each.
    """
    weights = cubic_weights(round(scale[0])) if enlarged else np.zeros((0, 4), np.float32)
    rows, found = [np.zeros((0, 3), np.int64)], [np.zeros(0)]
    for limb in order:
        a, b = (slice(peaks.first[k], peaks.first[k + 1]) for k in limbs[limb])
        if a.start == a.stop or b.start == b.stop:
            continue
        fields, ends = pafs[2 * limb : 2 * limb + 2], (peaks.points[a], peaks.points[b])
        numbers = rules.limb_threshold, rules.samples, rules.needed
        scores = _limb_scores(fields, *ends, weights, scale[0], scale[1], *numbers)
        pairs, values = match_hungarian(scores) if rules.hungarian else _match_greedy(scores)
        firsts = np.array([limb, a.start, b.start])
        rows.append(np.column_stack([np.zeros(len(pairs), np.int64), pairs]) + firsts)
        found.append(values)
    connections, values = np.concatenate(rows), np.concatenate(found)
    closing = np.isin(connections[:, 0], order[len(order) - loops :])
    keypoints = len(peaks.first) - 1
    given = connections, values, closing, limbs, peaks.scores, keypoints
    members, parts, total = _assemble(*given)
    return _people(peaks, members, parts, total, rules)


def _people(
    peaks: Peaks, members: np.ndarray, parts: np.ndarray, total: np.ndarray, rules: Rules
) -> People:
    kept = (parts >= rules.min_parts) & (total / np.maximum(parts, 1) >= rules.min_score)
    members = members[kept]
    seen, rows = members >= 0, np.maximum(members, 0)
    if not len(peaks.points):
        return People(np.zeros((0, members.shape[1], 2)), np.zeros(members.shape), parts, total)
    points = np.where(seen[..., None], peaks.points[rows], 0.0)
    return People(points, np.where(seen, peaks.scores[rows], 0.0), parts[kept], total[kept])


@njit(cache=True, nogil=True)
def _limb_scores(  # type: ignore[no-untyped-def]
    fields, starts, ends, weights, scale_x, scale_y, threshold, samples, needed
):
    """[A, B]: mean of the samples above the threshold along each pair; 0 where it is no limb.

    Samples are looked at from the middle outwards, so that pairs of two people end soon.
    """
    scores = np.zeros((len(starts), len(ends)))
    values = np.empty(samples)
    for i in range(len(starts)):
        for j in range(len(ends)):
            dx, dy = ends[j, 0] - starts[i, 0], ends[j, 1] - starts[i, 1]
            length = np.sqrt(dx * dx + dy * dy)
            if length == 0:
                continue
            along, down, failed = dx / length, dy / length, 0
            for n in range(samples):
                s = (samples - 1) // 2 + ((n + 1) // 2 if n % 2 else -(n // 2))
                t = s / (samples - 1)
                x, y = starts[i, 0] + t * dx, starts[i, 1] + t * dy
                if len(weights):
                    px, py = _enlarged_at(fields, int(np.rint(x)), int(np.rint(y)), weights)
                else:
                    px, py = _between_cells(fields, x, y, scale_x, scale_y)
                values[s] = along * px + down * py
                if not values[s] > threshold:
                    failed += 1
                    if samples - failed < needed:
                        break
            if samples - failed >= needed:
                scores[i, j] = _mean_above(values, threshold)
    return scores


@njit(cache=True, nogil=True)
def _mean_above(values, threshold):  # type: ignore[no-untyped-def]
    total, count = 0.0, 0
    for value in values:
        if value > threshold:
            total += value
            count += 1
    return total / count if count and total > 0 else 0.0


@njit(cache=True, nogil=True)
def _enlarged_at(fields, x, y, weights):  # type: ignore[no-untyped-def]
    """Both components at a whole pixel of the enlarged field."""
    ratio = len(weights)
    half = ratio // 2
    bx, by = (x - half) // ratio, (y - half) // ratio
    p, q = y - half - by * ratio, x - half - bx * ratio
    left, top = bx + BORDER - 1, by + BORDER - 1
    return (
        _cubic(fields[0], left, top, weights[q], weights[p]),
        _cubic(fields[1], left, top, weights[q], weights[p]),
    )


@njit(cache=True, nogil=True)
def _cubic(cells, left, top, across, down):  # type: ignore[no-untyped-def]
    a = _weighted(cells[top], left, across)
    b = _weighted(cells[top + 1], left, across)
    c = _weighted(cells[top + 2], left, across)
    d = _weighted(cells[top + 3], left, across)
    return (down[0] * a + down[1] * b + down[2] * c) + down[3] * d


@njit(cache=True, nogil=True)
def _weighted(row, left, w):  # type: ignore[no-untyped-def]
    return (w[0] * row[left] + w[1] * row[left + 1] + w[2] * row[left + 2]) + w[3] * row[left + 3]


@njit(cache=True, nogil=True)
def _between_cells(fields, x, y, scale_x, scale_y):  # type: ignore[no-untyped-def]
    """Both components between the four cells around a point in input pixels."""
    height, width = fields.shape[1:]
    u = min(max((x + 0.5) / scale_x - 0.5 + BORDER, 0.0), width - 1.001)
    v = min(max((y + 0.5) / scale_y - 0.5 + BORDER, 0.0), height - 1.001)
    left, top = int(u), int(v)
    s, t = u - left, v - top
    w00, w01, w10, w11 = (1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t
    a, b = fields[0], fields[1]
    first = w00 * a[top, left] + w01 * a[top, left + 1]
    first += w10 * a[top + 1, left] + w11 * a[top + 1, left + 1]
    second = w00 * b[top, left] + w01 * b[top, left + 1]
    second += w10 * b[top + 1, left] + w11 * b[top + 1, left + 1]
    return first, second


@njit(cache=True, nogil=True)
def _match_greedy(scores):  # type: ignore[no-untyped-def]
    """(pairs [M, 2], their scores): best first, each end once; of equals the first of its row."""
    rows, columns = np.nonzero(scores)
    values = np.empty(len(rows))
    for n in range(len(rows)):
        values[n] = -scores[rows[n], columns[n]]
    taken_a, taken_b = np.zeros(len(scores), np.bool_), np.zeros(scores.shape[1], np.bool_)
    pairs, kept = np.empty((min(scores.shape), 2), np.int64), np.empty(min(scores.shape))
    count = 0
    for n in np.argsort(values, kind="mergesort"):
        i, j = rows[n], columns[n]
        if taken_a[i] or taken_b[j]:
            continue
        taken_a[i] = taken_b[j] = True
        pairs[count, 0], pairs[count, 1] = i, j
        kept[count] = -values[n]
        count += 1
    return pairs[:count], kept[:count]


def match_hungarian(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pairs [M, 2], their scores): the assignment of the greatest sum, without what is no limb."""
    rows, columns = linear_sum_assignment(scores, maximize=True)
    values = scores[rows, columns]
    limbs = values > 0
    return np.column_stack([rows, columns])[limbs].astype(np.int64), values[limbs]


@njit(cache=True, nogil=True)
def _assemble(connections, values, closing, limbs, heights, keypoints):  # type: ignore[no-untyped-def]
    """People by shared keypoints: (peak of each keypoint or -1 [N, K], parts [N], total [N]).

    A limb whose first end belongs to nobody begins a person. A limb that closes a loop only
    fills in the end that a person lacks, and may give one keypoint to two of them.
    """
    members = np.full((len(connections), keypoints), -1, np.int64)
    parts, total = np.zeros(len(connections), np.int64), np.zeros(len(connections))
    owner = np.full(len(heights), -1, np.int64)
    people = 0
    for n in range(len(connections)):
        limb, a, b = connections[n]
        start, end = limbs[limb]
        if closing[n]:
            for person in range(people):
                if members[person, start] == a and members[person, end] == -1:
                    members[person, end] = b
                elif members[person, end] == b and members[person, start] == -1:
                    members[person, start] = a
            continue
        person = owner[a]
        if person == -1:
            person = people
            people += 1
            owner[a], members[person, start] = person, a
            parts[person], total[person] = 1, heights[a]
        owner[b], members[person, end] = person, b
        parts[person] += 1
        total[person] += heights[b] + values[n]
    return members[:people], parts[:people], total[:people]
