"""Is the gain real? A paired bootstrap over images, from what the evaluator matched in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.ground.evaluator import Matches
from data.ground.refusal import refusal

Numbers = dict[str, np.ndarray]  # per name, one value per resample
RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 1  # of every interval, if nothing else is said
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
    settings = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return _paired(candidate, champion, _main, **settings)["main"]


def paired_intervals(
    candidate: Matches, champion: Matches, *, resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """`paired_interval` of every number that the matches tell, by its name."""
    settings = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return _paired(candidate, champion, lambda m, weights: m.numbers(weights), **settings)


def intervals(
    matches: Matches, *, resamples: int, confidence: float, seed: int
) -> dict[str, Interval]:
    """Percentile interval of every number itself: `difference` is the number as measured."""
    settings = {"resamples": resamples, "confidence": confidence, "seed": seed}
    images = len(matches.image_ids)
    measured = matches.numbers(np.ones((1, images), np.int32))
    drawn = [matches.numbers(weights) for weights in draw_weights(images, resamples, seed)]
    return _percentiles(measured, drawn, images, **settings)


def _main(matches: Matches, weights: np.ndarray) -> Numbers:
    return {"main": matches.resampled(weights)}


def _paired(
    candidate: Matches,
    champion: Matches,
    count: Callable[[Matches, np.ndarray], Numbers],
    **settings: Any,
) -> dict[str, Interval]:
    refuse_other_images(candidate, champion)
    images = len(candidate.image_ids)

    def gain(weights: np.ndarray) -> Numbers:
        ours, theirs = count(candidate, weights), count(champion, weights)
        return {name: ours[name] - theirs[name] for name in ours}

    measured = gain(np.ones((1, images), np.int32))
    weights = draw_weights(images, settings["resamples"], settings["seed"])
    return _percentiles(measured, [gain(drawn) for drawn in weights], images, **settings)


def _percentiles(
    measured: Numbers, drawn: Sequence[Numbers], images: int, **settings: Any
) -> dict[str, Interval]:
    tail = (1.0 - settings["confidence"]) / 2.0
    found = {}
    for name, value in measured.items():
        values = np.concatenate([part[name] for part in drawn])
        low, high = np.nanquantile(values, [tail, 1.0 - tail])
        found[name] = Interval(float(value[0]), float(low), float(high), images=images, **settings)
    return found


def draw_weights(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn [R, I], in steps; `images` draws with replacement each."""
    rng = np.random.default_rng(seed)
    even = np.full(images, 1.0 / images)
    for start in range(0, resamples, AT_ONCE):
        count = min(AT_ONCE, resamples - start)
        yield rng.multinomial(images, even, size=count).astype(np.int32)


def refuse_other_images(candidate: Matches, champion: Matches) -> None:
    if candidate.kind != champion.kind:
        kinds = f"scored by other evaluators ({candidate.kind} and {champion.kind})"
        raise refusal("the two", fault=kinds, do="evaluate both by the same one")
    if not np.array_equal(candidate.image_ids, champion.image_ids) or not np.array_equal(
        candidate.positives, champion.positives
    ):
        counts = f"({len(candidate.image_ids)} and {len(champion.image_ids)} images)"
        fault = f"evaluated on other images or another truth {counts}"
        raise refusal("the two", fault=fault, do="evaluate both on the same data set")
