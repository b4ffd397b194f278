"""Fields read as if they were enlarged, without enlarging them: bilinear weights of every pixel.

Enlarging is torch's bilinear with `align_corners=False`: pixel i of n, over m cells, lies at
(i + 0.5) m / n - 0.5, at least 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

AXES_KEPT = 64  # how many axes' weights are remembered


class Axis(NamedTuple):
    """Of each of n pixels along an axis: its two cells int64 [n, 2], their float32 weights.

    Of each cell: its pixels are rows start[cell] to start[cell + 1], int64 [m + 1].
    """

    cells: np.ndarray
    weights: np.ndarray
    start: np.ndarray


class Taps(NamedTuple):
    """Of each of n pixels: the first cell int64 [n] of a run, the run's float64 weights [n, R]."""

    first: np.ndarray
    weights: np.ndarray


@lru_cache(AXES_KEPT)
def axis(cells: int, pixels: int) -> Axis:
    """One enlargement of `cells` to `pixels`."""
    low, share = _places(cells, pixels)
    pair = np.stack([low, np.minimum(low + 1, cells - 1)], 1)
    weights = np.stack([1 - share, share], 1).astype(np.float32)
    start = np.searchsorted(low, np.arange(cells + 1))
    return Axis(pair, weights, start.astype(np.int64))


@lru_cache(AXES_KEPT)
def taps(cells: int, between: int, pixels: int) -> Taps:
    """Two enlargements, `cells` to `between` to `pixels`, as one sum over a run of cells."""
    inner, outer = _pairs(cells, between), _pairs(between, pixels)
    index = inner[0][outer[0]].reshape(pixels, 4)
    weight = (outer[1][:, :, None] * inner[1][outer[0]]).reshape(pixels, 4)
    run = int((index.max(1) - index.min(1)).max()) + 1
    first = np.minimum(index.min(1), cells - run)
    weights = np.zeros((pixels, run))
    np.add.at(weights, (np.arange(pixels)[:, None], index - first[:, None]), weight)
    return Taps(first, weights)


def _places(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """(the lower cell of each pixel, the share of the next one)."""
    at = np.maximum((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5, 0.0)
    low = np.minimum(at.astype(np.int64), cells - 1)
    return low, at - low


def _pairs(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    low, share = _places(cells, pixels)
    return np.stack([low, np.minimum(low + 1, cells - 1)], 1), np.stack([1 - share, share], 1)
