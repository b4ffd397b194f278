"""Keypoints moved a quarter towards the higher neighbour; those that are missing, filled in."""

from __future__ import annotations

import numpy as np
from numba import njit

from data.codecs.tags.peaks import Grid, Peaks, pixel

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
    highest, away = np.empty((down, across), np.float32), np.empty((down, across))
    low = np.empty((passes, down, across), np.float32)
    high = np.empty_like(low)
    for k in range(places.shape[1]):
        if not (places[:, k] < 0).any():
            continue
        _extremes(heatmaps[k], heat_y.cells[:, 0], heat_y.cells[:, 1],
                  heat_x.cells[:, 0], heat_x.cells[:, 1], low[0], highest)  # fmt: skip
        for t in range(passes):
            rows, columns = tag_y.weights.shape[1] - 1, tag_x.weights.shape[1] - 1
            _extremes(tags[t, k], tag_y.first, tag_y.first + rows,
                      tag_x.first, tag_x.first + columns, low[t], high[t])  # fmt: skip
        for n in range(len(places)):
            if places[n, k] < 0:
                _least_distance(low, high, known[n], away)
                place, height = _search(
                    heatmaps[k], tags[:, k], heat_y, heat_x, tag_y, tag_x, known[n], highest, away
                )
                if height > 0:
                    places[n, k], scores[n, k] = place, height


@njit(cache=True, nogil=True)
def _extremes(field, top, bottom, left, right, low, high):  # type: ignore[no-untyped-def]
    """The lowest and the highest of all cells that the pixels of each block are made of.

    top, bottom: first and last cell of each pixel along y; left, right: along x.
    """
    width = field.shape[1]
    least, most = np.empty(width, field.dtype), np.empty(width, field.dtype)
    for i in range(low.shape[0]):
        last = min((i + 1) * SIDE, len(top)) - 1
        least[:], most[:] = field[top[i * SIDE]], field[top[i * SIDE]]
        for y in range(top[i * SIDE] + 1, bottom[last] + 1):
            for x in range(width):
                least[x] = min(least[x], field[y, x])
                most[x] = max(most[x], field[y, x])
        for j in range(low.shape[1]):
            end = right[min((j + 1) * SIDE, len(left)) - 1] + 1
            low[i, j] = least[left[j * SIDE] : end].min()
            high[i, j] = most[left[j * SIDE] : end].max()


@njit(cache=True, nogil=True)
def _least_distance(low, high, tag, away):  # type: ignore[no-untyped-def]
    """The least that round(distance) can be in each block, for a person of this tag."""
    for i in range(away.shape[0]):
        for j in range(away.shape[1]):
            squared = 0.0
            for t in range(len(tag)):
                gap = max(low[t, i, j] - tag[t], tag[t] - high[t, i, j]) - SLACK
                squared += max(gap, 0.0) ** 2
            away[i, j] = np.rint(np.sqrt(squared))


@njit(cache=True, nogil=True)
def _search(heat, tags, heat_y, heat_x, tag_y, tag_x, tag, highest, away):  # type: ignore[no-untyped-def]
    """(place, height) of the highest heatmap - round(distance): the most hopeful block first."""
    hopes = highest + SLACK * (1 + np.abs(highest)) - away
    first = np.argmax(hopes)
    best, place, height = -np.inf, np.int64(-1), np.float32(0)
    for turn in range(-1, hopes.size):
        block = first if turn < 0 else turn
        i, j = block // hopes.shape[1], block % hopes.shape[1]
        if turn == first or hopes[i, j] < best:
            continue
        values = _heat_block(heat, heat_y, heat_x, i, j)
        if values.max() - away[i, j] < best:
            continue
        squared = np.zeros(values.shape)
        for t in range(len(tag)):
            _add_squares(squared, tags[t], tag_y, tag_x, tag[t], i, j)
        for y in range(values.shape[0]):
            for x in range(values.shape[1]):
                value = values[y, x] - np.rint(np.sqrt(squared[y, x]))
                here = (i * SIDE + y) * len(heat_x.cells) + j * SIDE + x
                if value > best or (value == best and here < place):
                    best, place, height = value, here, values[y, x]
    return place, height


@njit(cache=True, nogil=True)
def _heat_block(heat, y_axis, x_axis, i, j):  # type: ignore[no-untyped-def]
    """float32: the pixels of a block, at most SIDE x SIDE: `pixel`'s sums in its order."""
    y, y_last = i * SIDE, min((i + 1) * SIDE, len(y_axis.cells)) - 1
    x, x_last = j * SIDE, min((j + 1) * SIDE, len(x_axis.cells)) - 1
    top, bottom = y_axis.cells[y, 0], y_axis.cells[y_last, 1]
    rows = np.empty((bottom - top + 1, x_last - x + 1), np.float32)
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            left, right = x_axis.cells[x + c, 0], x_axis.cells[x + c, 1]
            near, far = x_axis.weights[x + c, 0], x_axis.weights[x + c, 1]
            rows[r, c] = near * heat[top + r, left] + far * heat[top + r, right]
    values = np.empty((y_last - y + 1, x_last - x + 1), np.float32)
    for r in range(values.shape[0]):
        upper, lower = rows[y_axis.cells[y + r, 0] - top], rows[y_axis.cells[y + r, 1] - top]
        near, far = y_axis.weights[y + r, 0], y_axis.weights[y + r, 1]
        for c in range(values.shape[1]):
            values[r, c] = near * upper[c] + far * lower[c]
    return values


@njit(cache=True, nogil=True)
def _add_squares(squared, field, y_taps, x_taps, tag, i, j):  # type: ignore[no-untyped-def]
    """Adds (tag - field)^2 at each pixel of a block: `tag_at`'s sums in its order."""
    y, x = i * SIDE, j * SIDE
    down, across = y_taps.weights.shape[1], x_taps.weights.shape[1]
    top = y_taps.first[y]
    rows = np.zeros((y_taps.first[y + squared.shape[0] - 1] + down - top, squared.shape[1]))
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            for tap in range(across):
                cell = x_taps.first[x + c] + tap
                rows[r, c] += x_taps.weights[x + c, tap] * field[top + r, cell]
    values = np.empty(squared.shape[1])
    for r in range(squared.shape[0]):
        values[:] = 0
        for tap in range(down):
            weight, row = y_taps.weights[y + r, tap], rows[y_taps.first[y + r] + tap - top]
            for c in range(len(values)):
                values[c] += weight * row[c]
        for c in range(len(values)):
            squared[r, c] += (values[c] - tag) ** 2
