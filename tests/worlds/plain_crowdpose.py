"""CrowdPose's evaluation in plain words, from its files: what crowdposetools counts.

A person is ignored where the file says num_keypoints 0 or iscrowd, or of an area below 0; nearness
is over the flagged keypoints, of people without any over all of them, to the box grown threefold;
an area is 0.53 of the box. AP by crowding is that of an image's class alone, by `crowdIndex`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIGMAS = np.array([79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]) / 1000
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST = 20
Row = Mapping[str, Any]


def crowdpose_numbers(truth: Mapping[str, Any], results: Sequence[Row]) -> dict[str, float]:
    """AP, AP50, AP75, AR, AR50, AR75, AP_easy, AP_medium, AP_hard; -1: nobody to find."""
    index = {image["id"]: image["crowdIndex"] for image in truth["images"]}
    people: dict[int, list[Row]] = {image: [] for image in index}
    found: dict[int, list[Row]] = {image: [] for image in index}
    for row in truth["annotations"]:
        people[row["image_id"]].append(row)
    for row in results:
        found[row["image_id"]].append(row)
    one = {image: _match(people[image], found[image]) for image in index}
    precision, recall = _curves([one[image] for image in sorted(index)])
    numbers = {f"AP{at}": _mean(precision[rows]) for at, rows in _ROWS.items()}
    numbers |= {f"AR{at}": _mean(recall[rows]) for at, rows in _ROWS.items()}
    for name, low, high in (("easy", -1, 0.2), ("medium", 0.2, 0.8), ("hard", 0.8, 2)):
        some = [one[image] for image in sorted(index) if low <= index[image] < high]
        numbers[f"AP_{name}"] = _mean(_curves(some)[0])
    return numbers


_ROWS = {"": slice(None), "50": slice(0, 1), "75": slice(5, 6)}


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _area(person: Row) -> float:
    *_, width, height = person["bbox"]
    return float(0.53 * width * height)


def _oks(person: Row, guess: Row) -> float:
    goal, points = (np.reshape(row["keypoints"], (-1, 3)).astype(float) for row in (person, guess))
    x, y, width, height = person["bbox"]
    seen = goal[:, 2] > 0
    away = points[:, :2] - goal[:, :2]
    if not seen.any():
        low, high = np.array([x - width, y - height]), np.array([x + 2 * width, y + 2 * height])
        away = np.maximum(0, low - points[:, :2]) + np.maximum(0, points[:, :2] - high)
        seen = ~seen
    spread = (2 * SIGMAS) ** 2 * (_area(person) + np.spacing(1)) * 2
    with np.errstate(over="ignore"):
        return float(np.exp(-((away**2).sum(axis=1) / spread)[seen]).mean())


def _match(people: Sequence[Row], found: Sequence[Row]) -> tuple[Any, Any, Any, int]:
    """(scores [D], hits [T, D], ignored [T, D], people to find) of one image."""
    ignore = [bool(p["num_keypoints"] == 0 or p["iscrowd"]) or _area(p) < 0 for p in people]
    ordered = sorted(found, key=lambda row: -row["score"])[:MOST]
    hits = np.zeros((len(THRESHOLDS), len(ordered)), bool)
    ignored = np.zeros_like(hits)
    for t, threshold in enumerate(THRESHOLDS):
        taken: set[int] = set()
        for d, guess in enumerate(ordered):
            free = [g for g in range(len(people)) if g not in taken or people[g]["iscrowd"]]
            near = [(g, _oks(people[g], guess)) for g in free]
            near = [(g, oks) for g, oks in near if oks >= min(threshold, 1 - 1e-10)]
            real = [pair for pair in near if not ignore[pair[0]]] or near
            if real:
                best = max(oks for _, oks in real)
                chosen = [g for g, oks in real if oks == best][-1]
                taken.add(chosen)
                hits[t, d], ignored[t, d] = True, ignore[chosen]
    return [row["score"] for row in ordered], hits, ignored, ignore.count(False)


def _curves(images: Sequence[tuple[Any, Any, Any, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Precision [T, 101] at the recalls, and the last recall [T]."""
    wanted = sum(count for *_, count in images)
    if not wanted:
        return np.full((len(THRESHOLDS), len(RECALLS)), -1.0), np.full(len(THRESHOLDS), -1.0)
    scores = np.concatenate([scores for scores, *_ in images])
    order = np.argsort(-scores, kind="stable")
    hits = np.concatenate([hits for _, hits, *_ in images], axis=1)[:, order]
    ignored = np.concatenate([each for *_, each, _ in images], axis=1)[:, order]
    precision, recall = np.zeros((len(THRESHOLDS), len(RECALLS))), np.zeros(len(THRESHOLDS))
    for t in range(len(THRESHOLDS)):
        right = np.cumsum(hits[t] & ~ignored[t]).astype(float)
        wrong = np.cumsum(~hits[t] & ~ignored[t])
        reached, share = right / wanted, right / (right + wrong + np.spacing(1))
        best = np.maximum.accumulate(share[::-1])[::-1]
        at = np.searchsorted(reached, RECALLS)
        precision[t] = [best[n] if n < len(best) else 0.0 for n in at]
        recall[t] = reached[-1] if len(reached) else 0.0
    return precision, recall
