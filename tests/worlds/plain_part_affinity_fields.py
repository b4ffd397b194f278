"""Part affinity fields the plain way, as published: enlarge every field, then loop over everything.

The slow side of the codec's tests, of one image at a time.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from data.ground.skeleton import load_skeleton

OPENPOSE18 = load_skeleton("openpose18")

LIMBS = OPENPOSE18.limb_indices
NAMES = OPENPOSE18.keypoints
FIRST_TO_LAST = [
    ("neck", "right_shoulder"), ("neck", "left_shoulder"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("neck", "nose"), ("nose", "right_eye"), ("right_eye", "right_ear"),
    ("nose", "left_eye"), ("left_eye", "left_ear"),
    ("right_shoulder", "right_ear"), ("left_shoulder", "left_ear"),
]  # fmt: skip


def cubic(t: float) -> float:
    t, a = abs(t), -0.75
    if t <= 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0


def enlarge(field: np.ndarray, ratio: int) -> np.ndarray:
    """[h, w] -> [h ratio, w ratio], bicubic: along the rows, then along the columns, in float32."""
    return _enlarge_rows(_enlarge_rows(field, ratio).T, ratio).T


def _enlarge_rows(field: np.ndarray, ratio: int) -> np.ndarray:
    width = field.shape[1]
    out = np.zeros((field.shape[0], width * ratio), np.float32)
    for x in range(width * ratio):
        at = (x + 0.5) / ratio - 0.5
        cell = math.floor(at)
        w = [np.float32(cubic(at - (cell + n))) for n in (-1, 0, 1, 2)]
        a, b, c, d = (field[:, min(max(cell + n, 0), width - 1)] for n in (-1, 0, 1, 2))
        out[:, x] = (w[0] * a + w[1] * b + w[2] * c) + w[3] * d
    return out


def find_peaks(heatmap: np.ndarray, threshold: float, distance: float, most: int) -> list[tuple]:
    """(x, y, height) from left to right."""
    height, width = heatmap.shape
    around = np.zeros((height + 2, width + 2), np.float32)
    around[1:-1, 1:-1] = heatmap
    found = []
    high = np.float32(threshold) < heatmap.T
    for x, y in np.argwhere(high).tolist():
        value = around[y + 1, x + 1]
        others = (around[y, x + 1], around[y + 2, x + 1], around[y + 1, x], around[y + 1, x + 2])
        if all(value > other for other in others):
            found.append((x, y, float(value)))
    kept: list[tuple] = []
    for x, y, value in found:
        if all(math.sqrt((x - u) ** 2 + (y - v) ** 2) >= distance for u, v, _ in kept):
            kept.append((x, y, value))
    best = sorted(range(len(kept)), key=lambda n: -kept[n][2])[:most]
    return [kept[n] for n in sorted(best)]


def score_limb(field: np.ndarray, a: tuple, b: tuple, codec) -> float:  # type: ignore[no-untyped-def]
    dx, dy = float(b[0] - a[0]), float(b[1] - a[1])
    length = math.sqrt(dx * dx + dy * dy)
    if length == 0:
        return 0.0
    total, count = 0.0, 0
    for n in range(codec.limb_samples):
        t = n / (codec.limb_samples - 1)
        x, y = round(a[0] + t * dx), round(a[1] + t * dy)
        value = dx / length * float(field[0, y, x]) + dy / length * float(field[1, y, x])
        if value > codec.limb_threshold:
            total, count = total + value, count + 1
    enough = count / codec.limb_samples > codec.min_share
    return total / count if enough and total > 0 else 0.0


def match(scores: dict[tuple[int, int], float]) -> list[tuple[int, int, float]]:
    """One to one, best first; of equals the first in order."""
    kept: list[tuple[int, int, float]] = []
    for (i, j), score in sorted(scores.items(), key=lambda item: -item[1]):
        if all(i != a and j != b for a, b, _ in kept):
            kept.append((i, j, score))
    return kept


def match_by_greatest_sum(scores: dict[tuple[int, int], float]) -> list[tuple[int, int, float]]:
    """All ways tried, first end by first end."""
    firsts = sorted({i for i, _ in scores})

    @cache
    def best(n: int, taken: frozenset[int]) -> tuple[float, tuple]:
        if n == len(firsts):
            return 0.0, ()
        found = best(n + 1, taken)  # without this one
        for j in sorted(j for i, j in scores if i == firsts[n] and j not in taken):
            total, pairs = best(n + 1, taken | {j})
            score = scores[firsts[n], j]
            found = max(found, (total + score, ((firsts[n], j, score), *pairs)))
        return found

    return list(best(0, frozenset())[1])


def decode(heatmaps: np.ndarray, pafs: np.ndarray, ratio: int, codec, matching=match):  # type: ignore[no-untyped-def]
    """People of one image: list of ({name: (x, y, height)}, parts, total score).

    heatmaps [18, h, w] and pafs [38, h, w] float32, finite.
    """
    rules = codec.peak_threshold, codec.peak_distance, codec.max_peaks
    peaks = [find_peaks(enlarge(heatmap, ratio), *rules) for heatmap in heatmaps]
    fields = [enlarge(field, ratio) for field in pafs]
    people: list[dict] = []
    for place, limb in enumerate(FIRST_TO_LAST):
        a, b = (NAMES.index(name) for name in limb)
        channel = OPENPOSE18.limbs.index(limb)
        field = np.stack(fields[2 * channel : 2 * channel + 2])
        scores = {
            (i, j): score
            for i, start in enumerate(peaks[a])
            for j, end in enumerate(peaks[b])
            if (score := score_limb(field, start, end, codec)) > 0
        }
        for i, j, score in matching(scores):
            if place < 17:
                _join(people, a, b, i, j, peaks[a][i][2], peaks[b][j][2] + score)
            else:
                _close(people, a, b, i, j)
    return [
        ({NAMES[k]: peaks[k][i] for k, i in p["members"].items()}, p["parts"], p["total"])
        for p in people
        if p["parts"] >= codec.min_parts and p["total"] / p["parts"] >= codec.min_score
    ]


def _join(people: list[dict], a: int, b: int, i: int, j: int, first: float, more: float) -> None:
    for person in people:
        if person["members"].get(a) == i:
            person["members"][b] = j
            person["parts"] += 1
            person["total"] += more
            return
    people.append({"members": {a: i, b: j}, "parts": 2, "total": first + more})


def _close(people: list[dict], a: int, b: int, i: int, j: int) -> None:
    for person in people:
        members = person["members"]
        if members.get(a) == i and b not in members:
            members[b] = j
        elif members.get(b) == j and a not in members:
            members[a] = i


def official_cells(
    a: tuple[float, float], b: tuple[float, float], thickness: float, size: tuple[int, int]
) -> set[tuple[int, int]]:
    """Cells (x, y) of one limb between two points in cells, as Lightweight OpenPose takes them:
    from the floored least end up to, without, the floored greatest."""
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    along, down = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    columns, rows = (
        range(
            int(max(min(a[axis], b[axis]) - thickness, 0)),
            int(min(max(a[axis], b[axis]) + thickness, size[axis])),
        )
        for axis in (0, 1)
    )
    return {
        (x, y)
        for y in rows
        for x in columns
        if abs((x - a[0]) * down - (y - a[1]) * along) <= thickness
    }


def official_size(image: tuple[int, int], height: int = 368, multiple: int = 8) -> tuple[int, int]:
    """(width, height) that Lightweight OpenPose feeds an image in: scaled to whole pixels, then
    padded."""
    width = round(image[0] * (height / image[1]))
    wide, tall = max(width, height), round(image[1] * (height / image[1]))
    return math.ceil(wide / multiple) * multiple, math.ceil(tall / multiple) * multiple
