"""Is the gain real? A paired bootstrap over images, from what the evaluator matched in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.evaluators.oks import Matches

RECALLS = np.linspace(0.0, 1.0, 101)  # where COCO reads the precision curve
AT_ONCE = 50  # resamples per step: about 40 MB for 100,000 detections


@dataclass(frozen=True)
class Interval:
    """How much AP the candidate gains: as measured, and where it may lie with that confidence."""

    difference: float
    low: float
    high: float
    confidence: float
    resamples: int
    seed: int
    images: int


@dataclass(frozen=True)
class Curve:
    """Detections of one threshold, best first: image of each that counts, and which are hits."""

    image_index: np.ndarray
    hits: np.ndarray


def paired_interval(
    candidate: Matches, champion: Matches, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of AP(candidate) - AP(champion), the same images drawn for both.

    Raises ValueError where the two were not matched on the same images and truth.
    """
    _refuse_other_images(candidate, champion)
    images = len(candidate.image_ids)
    once = np.ones((1, images), np.int32)
    difference = float(weighted_ap(candidate, once)[0] - weighted_ap(champion, once)[0])
    drawn: list[np.ndarray] = []
    for weights in draw_weights(images, resamples, seed):
        drawn.append(weighted_ap(candidate, weights) - weighted_ap(champion, weights))
    differences = np.concatenate(drawn)
    tail = (1.0 - confidence) / 2.0
    low, high = np.nanquantile(differences, [tail, 1.0 - tail])
    return Interval(difference, float(low), float(high), confidence, resamples, seed, images)


def draw_weights(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn [R, I], in steps; `images` draws with replacement each."""
    rng = np.random.default_rng(seed)
    even = np.full(images, 1.0 / images)
    for start in range(0, resamples, AT_ONCE):
        count = min(AT_ONCE, resamples - start)
        yield rng.multinomial(images, even, size=count).astype(np.int32)


def weighted_ap(matches: Matches, weights: np.ndarray) -> np.ndarray:
    """COCO AP [R] of the images counted `weights` [R, I] times each; NaN where nobody is to find.

    With all weights 1 this is pycocotools' AP to the last bit, with whole weights that of the
    images repeated: precision only peaks at hits, so the curve is read there alone.
    """
    positives = (weights @ matches.positives.astype(np.int64)).astype(np.float64)
    read = [precision_at_recalls(curve, weights, positives) for curve in curves(matches)]
    ap = np.stack(read, axis=1).reshape(len(weights), -1).mean(axis=1)
    return np.where(positives > 0, ap, np.nan)


def curves(matches: Matches) -> Iterator[Curve]:
    """One per OKS threshold; mergesort as pycocotools, so that equal scores keep their order."""
    order = np.argsort(-matches.scores, kind="mergesort")
    image_index = matches.image_index[order]
    for hit, ignored in zip(matches.hit, matches.ignored, strict=True):
        counts = ~ignored[order].astype(bool)
        yield Curve(image_index[counts], np.flatnonzero(hit[order][counts]))


def precision_at_recalls(curve: Curve, weights: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Interpolated precision [R, 101] (cocoeval.accumulate, for all resamples at once)."""
    if not len(curve.hits):
        return np.zeros((len(weights), len(RECALLS)))
    drawn = np.take(weights, curve.image_index, axis=1)
    seen = np.cumsum(drawn, axis=1, dtype=np.int32)[:, curve.hits].astype(np.float64)
    found = np.cumsum(drawn[:, curve.hits], axis=1, dtype=np.int32).astype(np.float64)
    precision = found / ((seen - found) + found + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = found / np.maximum(positives, 1.0)[:, None]
    padded = np.concatenate([envelope, np.zeros((len(weights), 1))], axis=1)
    return np.stack(
        [row[np.searchsorted(rc, RECALLS)] for row, rc in zip(padded, recall, strict=True)]
    )


def _refuse_other_images(candidate: Matches, champion: Matches) -> None:
    if not np.array_equal(candidate.image_ids, champion.image_ids) or not np.array_equal(
        candidate.positives, champion.positives
    ):
        raise ValueError(
            f"the two were evaluated on other images or another truth ({len(candidate.image_ids)} "
            f"and {len(champion.image_ids)} images): evaluate both on the same data set"
        )
