"""Duplicates go: OKS-NMS, over the people of one image or of many images at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

AT_ONCE = 4096  # pairs compared together: arrays that stay in the cache
MARGIN = 1e-9  # of the first look at a pair: far above what rounding does


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    threshold: float,
) -> list[int]:
    """Rows kept, best first: each drops those after it whose OKS with it is above `threshold`.

    keypoints [N, K, 2], scores [N], areas [N]. As the official code: all keypoints count, the
    area is the mean of both, of equal scores the later goes first.
    """
    one = np.zeros(len(scores), dtype=np.int64)
    kept: list[int] = oks_nms_of_images(one, keypoints, scores, areas, sigmas, threshold).tolist()
    return kept


def oks_nms_of_images(
    image_index: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: Sequence[float] | np.ndarray,
    threshold: float,
) -> np.ndarray:
    """`oks_nms` within each image (image_index [N]): rows kept, by image, best first in each."""
    image_index, scores = np.asarray(image_index), np.asarray(scores)
    order = np.lexsort((-np.arange(len(scores)), -scores, image_index))
    points = np.asarray(keypoints, dtype=np.float64)[order]
    area = np.asarray(areas, dtype=np.float64)[order]
    variance = (2 * np.asarray(sigmas, dtype=np.float64)) ** 2
    alive = [True] * len(order)
    for better, worse in _pairs(image_index[order]):
        near = _may_be_alike(points, area, variance, better, worse, threshold)
        better, worse = better[near], worse[near]
        every = np.arange(len(variance))
        alike = _oks(points, area, variance, better, worse, every) / len(variance) > threshold
        for one, other in zip(better[alike].tolist(), worse[alike].tolist(), strict=True):
            if alive[one]:  # all pairs in which `one` is the worse came before
                alive[other] = False
    return np.asarray(order[np.array(alive, dtype=bool)])


def _pairs(image_index: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs (better, worse) of rows of one image, by the better one, some thousand a time."""
    rows = np.arange(len(image_index))
    after = np.searchsorted(image_index, image_index, side="right") - rows - 1
    until = np.cumsum(after)
    start = 0
    while start < len(rows):
        reach = (until[start - 1] if start else 0) + AT_ONCE
        end = max(start + 1, int(np.searchsorted(until, reach, side="right")))
        counts = after[start:end]
        better = np.repeat(rows[start:end], counts)
        within = np.arange(len(better)) - np.repeat(np.cumsum(counts) - counts, counts)
        yield better, better + 1 + within
        start = end


def _may_be_alike(
    points: np.ndarray,
    area: np.ndarray,
    variance: np.ndarray,
    better: np.ndarray,
    worse: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Pairs [P] that some keypoints do not rule out: the others could at most be all the same."""
    keypoints = len(variance)
    some = int(keypoints * (1 - threshold)) + 2
    if some >= keypoints:
        return np.ones(len(better), dtype=bool)
    columns = np.linspace(0, keypoints - 1, some).astype(int)
    most = _oks(points, area, variance, better, worse, columns) + (keypoints - some)
    return np.asarray(most > keypoints * (threshold - MARGIN))


def _oks(
    points: np.ndarray,
    area: np.ndarray,
    variance: np.ndarray,
    better: np.ndarray,
    worse: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    """Sum [P] of the pairs' similarities over these keypoints."""
    flat, stride = points.reshape(-1), 2 * points.shape[1]
    one, other = better[:, None] * stride + 2 * columns, worse[:, None] * stride + 2 * columns
    squared = np.square(flat[one] - flat[other])
    one += 1
    other += 1
    squared += np.square(flat[one] - flat[other])
    squared /= -variance[columns]
    squared /= ((area[better] + area[worse]) / 2 + np.spacing(1))[:, None] * 2
    return np.asarray(np.exp(squared, out=squared).sum(axis=1))
