"""Peaks of heatmaps at every pixel of an enlarged field, computed near high cells only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from data.codecs.tags.sampling import Axis, Taps, axis, taps


class Grid(NamedTuple):
    """How fields are read at (width, height) pixels: heatmaps along y and x, tags likewise."""

    size: tuple[int, int]
    heat_y: Axis
    heat_x: Axis
    tag_y: Taps
    tag_x: Taps


class Peaks(NamedTuple):
    """At most P per keypoint, highest first (of equal ones the first in reading order).

    scores float32 [K, P], 0 from counts[k] on; places int64 [K, P]: y * width + x in pixels; tags
    float64 [K, P, T], one value per pass; counts int64 [K].
    """

    scores: np.ndarray
    places: np.ndarray
    tags: np.ndarray
    counts: np.ndarray


def grid(heat: tuple[int, int], tag: tuple[int, int], size: tuple[int, int]) -> Grid:
    """Heatmaps of `heat` cells (width, height) and tags of `tag` cells, read at `size` pixels.

    Tags are enlarged to the heatmaps' cells first, as HigherHRNet's code does.
    """
    ways = [(taps(tag[i], heat[i], size[i]), axis(heat[i], size[i])) for i in (0, 1)]
    return Grid(size, ways[1][1], ways[0][1], ways[1][0], ways[0][0])


def find_peaks(
    heatmaps: np.ndarray,
    tags: np.ndarray,
    grid: Grid,
    threshold: float,
    window: int,
    most: int,
    first_only: bool,
) -> Peaks:
    """heatmaps float32 [K, h, w] and tags float32 [T, K, h', w'], finite -> peaks.

    A peak is above the threshold and no lower than any pixel within `window` x `window` about it;
    `first_only`: of equal pixels in a window the first one alone. Time grows with the cells above
    the threshold, at most all K H W pixels; memory is one map of H W pixels. Holds no GIL.
    """
    scores, places, counts = _find(
        heatmaps, grid.heat_y, grid.heat_x, np.float32(threshold), window // 2, most, first_only
    )
    found = _tags_at(tags, grid.tag_y, grid.tag_x, places, counts)
    return Peaks(scores, places, found, counts)


@njit(cache=True, nogil=True)
def pixel(heat, y_axis, x_axis, y, x):  # type: ignore[no-untyped-def]
    """float32: heat [h, w] at pixel (x, y) of the enlarged map."""
    top, bottom = y_axis.cells[y, 0], y_axis.cells[y, 1]
    left, right = x_axis.cells[x, 0], x_axis.cells[x, 1]
    near, far = x_axis.weights[x, 0], x_axis.weights[x, 1]
    upper = near * heat[top, left] + far * heat[top, right]
    lower = near * heat[bottom, left] + far * heat[bottom, right]
    return y_axis.weights[y, 0] * upper + y_axis.weights[y, 1] * lower


@njit(cache=True, nogil=True)
def tag_at(field, y_taps, x_taps, y, x):  # type: ignore[no-untyped-def]
    """float64: field [h', w'] at pixel (x, y), enlarged twice."""
    value = 0.0
    for i in range(y_taps.weights.shape[1]):
        row, across = y_taps.first[y] + i, 0.0
        for j in range(x_taps.weights.shape[1]):
            across += x_taps.weights[x, j] * field[row, x_taps.first[x] + j]
        value += y_taps.weights[y, i] * across
    return value


@njit(cache=True, nogil=True)
def _tags_at(tags, y_taps, x_taps, places, counts):  # type: ignore[no-untyped-def]
    passes, width = tags.shape[0], len(x_taps.first)
    found = np.zeros((*places.shape, passes))
    for k in range(len(places)):
        for p in range(counts[k]):
            y, x = places[k, p] // width, places[k, p] % width
            for t in range(passes):
                found[k, p, t] = tag_at(tags[t, k], y_taps, x_taps, y, x)
    return found


@njit(cache=True, nogil=True)
def _find(heatmaps, y_axis, x_axis, threshold, reach, most, first_only):  # type: ignore[no-untyped-def]
    keypoints, height, width = heatmaps.shape
    scores = np.zeros((keypoints, most), np.float32)
    places = np.zeros((keypoints, most), np.int64)
    counts = np.zeros(keypoints, np.int64)
    high = np.empty(height * width, np.int64)
    size = len(y_axis.cells) + 2 * reach, len(x_axis.cells) + 2 * reach
    canvas = np.full(size, -np.inf, np.float32)
    for k in range(keypoints):
        cells = high[: _high_cells(heatmaps[k], threshold, high)]
        _enlarge(canvas, heatmaps[k], cells, y_axis, x_axis, threshold, reach)
        counts[k] = _look(
            canvas, cells, width, y_axis, x_axis, threshold, reach, first_only, scores[k], places[k]
        )
        _wipe(canvas, cells, width, y_axis, x_axis, reach)
    return scores, places, counts


@njit(cache=True, nogil=True)
def _high_cells(heat, threshold, high):  # type: ignore[no-untyped-def]
    """Into `high`, how many: cells that with those right and below of them have one above."""
    height, width = heat.shape
    found = 0
    column = np.empty(width + 1, np.bool_)
    column[width] = False
    for y in range(height):
        below = min(y + 1, height - 1)
        for x in range(width):
            column[x] = (heat[y, x] > threshold) | (heat[below, x] > threshold)
        for x in range(width):
            if column[x] | column[x + 1]:
                high[found] = y * width + x
                found += 1
    return found


@njit(cache=True, nogil=True)
def _enlarge(canvas, heat, cells, y_axis, x_axis, threshold, reach):  # type: ignore[no-untyped-def]
    """Pixels above the threshold of these cells into the canvas (a border of `reach` around)."""
    height, width = heat.shape
    for cell in cells:
        row, column = cell // width, cell % width
        below, right = min(row + 1, height - 1), min(column + 1, width - 1)
        a, b, c, d = heat[row, column], heat[row, right], heat[below, column], heat[below, right]
        for x in range(x_axis.start[column], x_axis.start[column + 1]):
            near, far = x_axis.weights[x, 0], x_axis.weights[x, 1]
            upper, lower = near * a + far * b, near * c + far * d
            for y in range(y_axis.start[row], y_axis.start[row + 1]):
                value = y_axis.weights[y, 0] * upper + y_axis.weights[y, 1] * lower
                if value > threshold:
                    canvas[y + reach, x + reach] = value


@njit(cache=True, nogil=True)
def _look(  # type: ignore[no-untyped-def]
    canvas, cells, width, y_axis, x_axis, threshold, reach, first_only, scores, places
):
    count, pixels = 0, len(x_axis.cells)
    for cell in cells:
        row, column = cell // width, cell % width
        for y in range(y_axis.start[row], y_axis.start[row + 1]):
            for x in range(x_axis.start[column], x_axis.start[column + 1]):
                value = canvas[y + reach, x + reach]
                if value > threshold and _is_highest(canvas, y, x, reach, first_only):
                    count = _insert(scores, places, count, value, y * pixels + x)
    return count


@njit(cache=True, nogil=True)
def _is_highest(canvas, y, x, reach, first_only):  # type: ignore[no-untyped-def]
    value = canvas[y + reach, x + reach]
    if reach and (  # most pixels lie on a slope
        canvas[y + reach, x + reach - 1] > value
        or canvas[y + reach, x + reach + 1] > value
        or canvas[y + reach - 1, x + reach] > value
        or canvas[y + reach + 1, x + reach] > value
    ):
        return False
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            other = canvas[y + i, x + j]
            before = i < reach or (i == reach and j < reach)
            if other > value or (first_only and before and other == value):
                return False
    return True


@njit(cache=True, nogil=True)
def _insert(scores, places, count, value, place):  # type: ignore[no-untyped-def]
    """Into the lists kept highest first, of equal ones the earlier place first; the new count."""
    most = len(scores)
    at = count
    while at > 0 and (
        scores[at - 1] < value or (scores[at - 1] == value and places[at - 1] > place)
    ):
        if at < most:
            scores[at], places[at] = scores[at - 1], places[at - 1]
        at -= 1
    if at < most:
        scores[at], places[at] = value, place
    return min(count + 1, most)


@njit(cache=True, nogil=True)
def _wipe(canvas, cells, width, y_axis, x_axis, reach):  # type: ignore[no-untyped-def]
    for cell in cells:
        row, column = cell // width, cell % width
        for y in range(y_axis.start[row], y_axis.start[row + 1]):
            for x in range(x_axis.start[column], x_axis.start[column + 1]):
                canvas[y + reach, x + reach] = -np.inf
