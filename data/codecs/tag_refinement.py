"""Keypoints moved a quarter towards the higher neighbour; those that are missing, filled in."""

from __future__ import annotations

import numpy as np
from numba import njit

from data.codecs.tag_peaks import Grid, Peaks, pixel, tag_at

SIDE = 32  # pixels of a block's side
SLACK = 1e-5  # of bounds, above the rounding of what they bound


def complete(
    heatmaps: np.ndarray,
    tags: np.ndarray,
    grid: Grid,
    peaks: Peaks,
    members: np.ndarray,
    fill: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Points float32 [G, K, 2] in pixels of the enlarged field, scores float32 [G, K].

    heatmaps float32 [K, h, w], tags float32 [T, K, h', w'], members int64 [G, K] into the peaks.
    `fill`: a missing keypoint is where heatmap - round(distance to the person's mean tag) is
    highest (the first of equal pixels), if the heatmap is above 0 there. Only blocks of pixels
    that may hold something higher are looked at: at most all of them once per person and missing
    keypoint. Memory: bounds of one keypoint's blocks. Holds no GIL.
    """
    keypoint = np.arange(members.shape[1])
    has = members >= 0
    scores = np.where(has, peaks.scores[keypoint, members], 0).astype(np.float32)
    places = np.where(has, peaks.places[keypoint, members], -1)
    if fill and len(members):
        values = np.where(has[..., None], peaks.tags[keypoint, members], 0.0)
        known = values.sum(1) / has.sum(1)[:, None]
        axes = (grid.heat_y, grid.heat_x, grid.tag_y, grid.tag_x)
        _fill(heatmaps, tags, *axes, known, places, scores)
    return _adjusted(heatmaps, grid.heat_y, grid.heat_x, places), scores


@njit(cache=True, nogil=True)
def _adjusted(heatmaps, y_axis, x_axis, places):  # type: ignore[no-untyped-def]
    """Middle of the pixel, a quarter towards the higher neighbour (the lower one if equal)."""
    height, width = len(y_axis.cells), len(x_axis.cells)
    points = np.zeros((*places.shape, 2), np.float32)
    for n in range(places.shape[0]):
        for k in range(places.shape[1]):
            if places[n, k] < 0:
                continue
            heat, y, x = heatmaps[k], places[n, k] // width, places[n, k] % width
            left = pixel(heat, y_axis, x_axis, y, max(x - 1, 0))
            right = pixel(heat, y_axis, x_axis, y, min(x + 1, width - 1))
            above = pixel(heat, y_axis, x_axis, max(y - 1, 0), x)
            below = pixel(heat, y_axis, x_axis, min(y + 1, height - 1), x)
            points[n, k, 0] = x + 0.5 + (0.25 if right > left else -0.25)
            points[n, k, 1] = y + 0.5 + (0.25 if below > above else -0.25)
    return points


@njit(cache=True, nogil=True)
def _fill(heatmaps, tags, heat_y, heat_x, tag_y, tag_x, known, places, scores):  # type: ignore[no-untyped-def]
    """Missing keypoints (place -1) of every person get a place and a score, if they have one."""
    passes = tags.shape[0]
    down, across = -(-len(heat_y.cells) // SIDE), -(-len(heat_x.cells) // SIDE)
    highest, upper = np.empty((down, across)), np.empty((down, across))
    low, high = np.empty((passes, down, across)), np.empty((passes, down, across))
    for k in range(places.shape[1]):
        if not (places[:, k] < 0).any():
            continue
        _bound(heatmaps[k], tags[:, k], heat_y, heat_x, tag_y, tag_x, highest, low, high)
        for n in range(len(places)):
            if places[n, k] >= 0:
                continue
            _hope(highest, low, high, known[n], upper)
            place, height = _search(
                heatmaps[k], tags[:, k], heat_y, heat_x, tag_y, tag_x, known[n], upper
            )
            if height > 0:
                places[n, k], scores[n, k] = place, height


@njit(cache=True, nogil=True)
def _bound(heat, tags, heat_y, heat_x, tag_y, tag_x, highest, low, high):  # type: ignore[no-untyped-def]
    """Of each block the highest cell of the heatmap, lowest and highest of each pass's tags."""
    down, across = highest.shape
    runs = tag_y.weights.shape[1], tag_x.weights.shape[1]
    for i in range(down):
        y, y_last = i * SIDE, min((i + 1) * SIDE, len(heat_y.cells)) - 1
        for j in range(across):
            x, x_last = j * SIDE, min((j + 1) * SIDE, len(heat_x.cells)) - 1
            near = heat[
                heat_y.cells[y, 0] : heat_y.cells[y_last, 1] + 1,
                heat_x.cells[x, 0] : heat_x.cells[x_last, 1] + 1,
            ]
            highest[i, j] = near.max()
            for t in range(len(tags)):
                field = tags[
                    t,
                    tag_y.first[y] : tag_y.first[y_last] + runs[0],
                    tag_x.first[x] : tag_x.first[x_last] + runs[1],
                ]
                low[t, i, j], high[t, i, j] = field.min(), field.max()


@njit(cache=True, nogil=True)
def _hope(highest, low, high, tag, upper):  # type: ignore[no-untyped-def]
    """The most that heatmap - round(distance) can be in each block, for a person of this tag."""
    for i in range(highest.shape[0]):
        for j in range(highest.shape[1]):
            squared = 0.0
            for t in range(len(tag)):
                gap = max(low[t, i, j] - tag[t], tag[t] - high[t, i, j]) - SLACK
                squared += max(gap, 0.0) ** 2
            slack = SLACK * (1 + abs(highest[i, j]))
            upper[i, j] = highest[i, j] + slack - np.rint(np.sqrt(squared))


@njit(cache=True, nogil=True)
def _search(heat, tags, heat_y, heat_x, tag_y, tag_x, tag, upper):  # type: ignore[no-untyped-def]
    """(place, height) of the highest heatmap - round(distance): the most hopeful block first."""
    first = np.argmax(upper)
    best, place, height = -np.inf, np.int64(-1), np.float32(0)
    for turn in range(-1, upper.size):
        block = first if turn < 0 else turn
        if (turn == first) or upper.flat[block] < best:
            continue
        best, place, height = _search_block(
            heat, tags, heat_y, heat_x, tag_y, tag_x, tag,
            block // upper.shape[1], block % upper.shape[1], best, place, height,
        )  # fmt: skip
    return place, height


@njit(cache=True, nogil=True)
def _search_block(  # type: ignore[no-untyped-def]
    heat, tags, heat_y, heat_x, tag_y, tag_x, tag, i, j, best, place, height
):
    width = len(heat_x.cells)
    for y in range(i * SIDE, min((i + 1) * SIDE, len(heat_y.cells))):
        for x in range(j * SIDE, min((j + 1) * SIDE, width)):
            here = pixel(heat, heat_y, heat_x, y, x)
            if here < best:
                continue
            squared = 0.0
            for t in range(len(tag)):
                squared += (tag_at(tags[t], tag_y, tag_x, y, x) - tag[t]) ** 2
            value = here - np.rint(np.sqrt(squared))
            if value > best or (value == best and y * width + x < place):
                best, place, height = value, y * width + x, here
    return best, place, height
