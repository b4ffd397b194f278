"""Is the gain real? A paired bootstrap over images, from what the evaluator matched in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.evaluators.matches import Matches

AT_ONCE = 50  # resamples per step: about 40 MB for 100,000 detections


@dataclass(frozen=True)
class Interval:
    """How much the candidate gains: as measured, and where it may lie with that confidence."""

    difference: float
    low: float
    high: float
    confidence: float
    resamples: int
    seed: int
    images: int


def paired_interval(
    candidate: Matches, champion: Matches, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of candidate's - champion's main number, the same images for both.

    Raises ValueError where the two were not matched on the same images and truth.
    """
    _refuse_other_images(candidate, champion)
    images = len(candidate.image_ids)
    once = np.ones((1, images), np.int32)
    difference = float(candidate.resampled(once)[0] - champion.resampled(once)[0])
    drawn: list[np.ndarray] = []
    for weights in draw_weights(images, resamples, seed):
        drawn.append(candidate.resampled(weights) - champion.resampled(weights))
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


def _refuse_other_images(candidate: Matches, champion: Matches) -> None:
    if candidate.kind != champion.kind:
        raise ValueError(
            f"the two were scored by other evaluators ({candidate.kind} and {champion.kind}): "
            "evaluate both by the same one"
        )
    if not np.array_equal(candidate.image_ids, champion.image_ids) or not np.array_equal(
        candidate.positives, champion.positives
    ):
        raise ValueError(
            f"the two were evaluated on other images or another truth ({len(candidate.image_ids)} "
            f"and {len(champion.image_ids)} images): evaluate both on the same data set"
        )
