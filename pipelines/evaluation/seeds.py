"""What one recipe gains on another over several seeds: images and seeds resampled together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.ground.evaluator import Matches
from data.ground.refusal import refusal
from pipelines.evaluation.bootstrap import Interval, draw_weights, refuse_other_images


def seeds_interval(
    candidates: Sequence[Matches],
    champions: Sequence[Matches],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Percentile interval of the mean over seeds of candidate's - champion's main number.

    One of each per seed, in the same order. Each resample draws the images once, for both and for
    all seeds, and as many seeds as there are, with replacement, a pair at a time. Raises
    ValueError where the two are not as many, or were matched on other images or another truth.
    """
    if not candidates or len(candidates) != len(champions):
        given = f"{len(candidates)} and {len(champions)} trainings"
        raise refusal("seeds", fault=given, accepted="one or more, as many of both")
    for each in (*candidates, *champions):
        refuse_other_images(each, candidates[0])
    images, rng = len(candidates[0].image_ids), np.random.default_rng([seed, 1])

    def gains(weights: np.ndarray) -> np.ndarray:
        """[R, S] of the images counted `weights` [R, I] times."""
        both = zip(candidates, champions, strict=True)
        found = [one.resampled(weights) - other.resampled(weights) for one, other in both]
        return np.stack(found, axis=1)

    def mean_of_drawn(found: np.ndarray) -> np.ndarray:
        drawn = rng.integers(found.shape[1], size=found.shape)
        return np.asarray(np.take_along_axis(found, drawn, axis=1).mean(axis=1))

    measured = float(gains(np.ones((1, images), np.int32)).mean())
    resampled = draw_weights(images, resamples, seed)
    means = np.concatenate([mean_of_drawn(gains(weights)) for weights in resampled])
    tail = (1.0 - confidence) / 2.0
    low, high = (float(value) for value in np.nanquantile(means, [tail, 1.0 - tail]))
    return Interval(measured, low, high, confidence, resamples, seed, images)
