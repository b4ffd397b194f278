"""The interval over seeds is what a plain computation, one resample at a time, finds."""

from __future__ import annotations

import numpy as np
import pytest

from data.evaluators.matching.matches import OksMatches
from pipelines.evaluation.bootstrap import draw_weights, paired_interval
from pipelines.evaluation.seeds import seeds_interval
from tests.worlds.results import IMAGES, PER_IMAGE, THRESHOLDS, hits

SETTINGS = {"resamples": 120, "confidence": 0.9, "seed": 5}


def matches(quality: float, seed: int) -> OksMatches:
    """Of a training that finds about that share of the people, which ones chance decides."""
    rng, like = np.random.default_rng(seed), hits(quality)
    hit = np.tile(rng.random(IMAGES * PER_IMAGE) < quality, (THRESHOLDS, 1))
    return OksMatches(
        like.image_ids,
        like.positives,
        like.image_index,
        rng.random(hit.shape[1]),
        hit,
        like.ignored,
    )


def repeated(found: OksMatches, counts: np.ndarray) -> float:
    """AP of the images repeated so often: one resample, without the vectorised path."""
    return float(found.resampled(counts[None].astype(np.int32))[0])


def test_it_equals_a_plain_computation() -> None:
    candidates = [matches(0.8, seed) for seed in (1, 2, 3)]
    champions = [matches(0.7, seed) for seed in (11, 12, 13)]
    means, rng = [], np.random.default_rng([5, 1])
    for some in draw_weights(IMAGES, 120, 5):
        drawn = rng.integers(3, size=(len(some), 3))
        for counts, seeds in zip(some, drawn, strict=True):
            gains = [
                repeated(candidates[s], counts) - repeated(champions[s], counts) for s in seeds
            ]
            means.append(sum(gains) / 3)
    found = seeds_interval(candidates, champions, **SETTINGS)
    low, high = np.quantile(means, [0.05, 0.95])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    ones = np.ones(IMAGES)
    both = zip(candidates, champions, strict=True)
    whole = np.mean([repeated(one, ones) - repeated(other, ones) for one, other in both])
    assert found.difference == pytest.approx(whole) and found.low < whole < found.high


def test_of_one_seed_it_is_the_interval_over_images() -> None:
    one, other = matches(0.8, 1), matches(0.7, 2)
    assert seeds_interval([one], [other], **SETTINGS) == paired_interval(one, other, **SETTINGS)


def test_seeds_that_disagree_widen_it() -> None:
    champion = matches(0.5, 9)
    alike = seeds_interval([matches(0.6, 1)] * 3, [champion] * 3, **SETTINGS)
    apart = [matches(quality, 1) for quality in (0.3, 0.6, 0.9)]
    uneven = seeds_interval(apart, [champion] * 3, **SETTINGS)
    assert uneven.high - uneven.low > 1.5 * (alike.high - alike.low)


def test_a_training_against_itself_gains_nothing() -> None:
    same = [matches(0.7, seed) for seed in (1, 2)]
    found = seeds_interval(same, same, **SETTINGS)
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)


def test_uneven_numbers_and_other_images_are_refused() -> None:
    one = matches(0.7, 1)
    for first, second in (([], []), ([one], [one, one])):
        with pytest.raises(ValueError, match="as many of both"):
            seeds_interval(first, second, **SETTINGS)
    elsewhere = OksMatches(
        one.image_ids + 1, one.positives, one.image_index, one.scores, one.hit, one.ignored
    )
    with pytest.raises(ValueError, match="other images"):
        seeds_interval([one, one], [one, elsewhere], **SETTINGS)
