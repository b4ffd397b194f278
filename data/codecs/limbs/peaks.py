"""Peaks of keypoint heatmaps: as on the maps enlarged to the input, or refined on the small ones.

Enlarging is bicubic (a = -0.75, pixel centres aligned, borders repeated). It is never done as a
whole: only blocks of pixels whose 16 cells can reach the threshold are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

CUBIC = -0.75
BORDER = 2  # cells repeated around every map, so that no tap falls outside
LARGEST = 1e4  # fields beyond are cut; NaN and infinity count as 0
FLOOR = 0.05  # of a peak: lowest neighbour under the logarithm, against noise
SHARE = 0.6  # of the threshold: what a cell beside a peak at the threshold may be as low as


class Peaks(NamedTuple):
    """Of one image: points float64 [P, 2] in input pixels and scores float64 [P], by channel.

    Those of channel k are rows first[k] to first[k + 1] (int64 [K + 1]).
    """

    points: np.ndarray
    scores: np.ndarray
    first: np.ndarray


def finite(field: Tensor) -> Tensor:
    """float32; NaN and infinity are 0, all else within +-1e4."""
    return torch.nan_to_num(field.float(), 0.0, 0.0, 0.0).clamp_(-LARGEST, LARGEST)


def bordered(field: Tensor) -> np.ndarray:
    """[B, C, h, w] -> float32 [B, C, h + 4, w + 4] on the host, borders repeated."""
    return F.pad(finite(field), (BORDER,) * 4, mode="replicate").cpu().numpy()


def cubic_weights(ratio: int) -> np.ndarray:
    """float32 [ratio, 4]: of the 4 cells around, for each pixel of a block.

    Block c holds the pixels from c ratio + ratio // 2; its cells are c - 1 to c + 2.
    """
    t = (ratio // 2 + np.arange(ratio) + 0.5) / ratio - 0.5
    away = np.abs(t[:, None] - np.arange(-1, 3))
    near = ((CUBIC + 2) * away - (CUBIC + 3)) * away * away + 1
    far = ((CUBIC * away - 5 * CUBIC) * away + 8 * CUBIC) * away - 4 * CUBIC
    return np.where(away <= 1, near, np.where(away < 2, far, 0)).astype(np.float32)


def enlarged_peaks(
    maps: np.ndarray, ratio: int, threshold: float, distance: float, most: int
) -> Peaks:
    """Peaks in whole pixels, as on the map enlarged `ratio` times.

    maps float32 [K, h + 4, w + 4], bordered. A peak is above the threshold and above its 4
    neighbours. From left to right, each drops those after it that are nearer than `distance`
    pixels. Of a channel the `most` highest are kept. Time grows with the cells above about half
    the threshold (at most all, 1.5 K h w ratio^2 ns or so), memory is one enlarged map.
    """
    weights = cubic_weights(ratio)
    gain = float(np.abs(weights).sum(1).max()) ** 2 * 1.0001
    high = np.abs(maps) * np.float32(gain) > threshold
    wide = high[:, :, :-3] | high[:, :, 1:-2] | high[:, :, 2:-1] | high[:, :, 3:]
    active = wide[:, :-3] | wide[:, 1:-2] | wide[:, 2:-1] | wide[:, 3:]  # [K, h + 1, w + 1]
    given = maps, active, weights, np.float32(threshold), float(distance), int(most)
    return Peaks(*_scan(*given))


@njit(cache=True, nogil=True)
def _scan(maps, active, weights, threshold, distance, most):  # type: ignore[no-untyped-def]
    channels, height, width = len(maps), active.shape[1] - 1, active.shape[2] - 1
    ratio = len(weights)
    canvas = np.zeros((height * ratio + 2, width * ratio + 2), np.float32)
    room = 4 * active.shape[1] * active.shape[2]
    xs, ys, heights = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    points, scores = np.empty((channels * most, 2)), np.empty(channels * most)
    first = np.zeros(channels + 1, np.int64)
    for k in range(channels):
        _enlarge(canvas, maps[k], active[k], weights, ratio)
        found = _look(canvas, active[k], ratio, threshold, xs, ys, heights)
        kept = _thin(xs[:found], ys[:found], heights[:found], distance, most)
        for n in range(len(kept)):
            at = first[k] + n
            points[at, 0], points[at, 1] = xs[kept[n]], ys[kept[n]]
            scores[at] = heights[kept[n]]
        first[k + 1] = first[k] + len(kept)
        _wipe(canvas, active[k], ratio)
    return points[: first[-1]].copy(), scores[: first[-1]].copy(), first


@njit(cache=True, nogil=True)
def _enlarge(canvas, cells, active, weights, ratio):  # type: ignore[no-untyped-def]
    """Fills the active blocks of the canvas (one pixel of border around it)."""
    across = np.empty((4, ratio), np.float32)
    row = np.empty(ratio, np.float32)
    half = ratio // 2
    for by in range(active.shape[0]):
        for bx in range(active.shape[1]):
            if not active[by, bx]:
                continue
            for i in range(4):
                a, b = cells[by + i, bx], cells[by + i, bx + 1]
                c, d = cells[by + i, bx + 2], cells[by + i, bx + 3]
                for q in range(ratio):
                    across[i, q] = (
                        weights[q, 0] * a + weights[q, 1] * b + weights[q, 2] * c
                    ) + weights[q, 3] * d
            left, top = (bx - 1) * ratio + half, (by - 1) * ratio + half
            low, high = max(0, -left), min(ratio, canvas.shape[1] - 2 - left)
            for p in range(max(0, -top), min(ratio, canvas.shape[0] - 2 - top)):
                for q in range(ratio):
                    row[q] = (
                        weights[p, 0] * across[0, q]
                        + weights[p, 1] * across[1, q]
                        + weights[p, 2] * across[2, q]
                    ) + weights[p, 3] * across[3, q]
                for q in range(low, high):
                    canvas[top + p + 1, left + q + 1] = row[q]


@njit(cache=True, nogil=True)
def _look(canvas, active, ratio, threshold, xs, ys, heights):  # type: ignore[no-untyped-def]
    """Peaks of the active blocks into the three arrays; how many."""
    found, half = 0, ratio // 2
    for by in range(active.shape[0]):
        top, bottom = (by - 1) * ratio + half + 1, by * ratio + half + 1
        for bx in range(active.shape[1]):
            if not active[by, bx]:
                continue
            left, right = (bx - 1) * ratio + half + 1, bx * ratio + half + 1
            for y in range(max(top, 1), min(bottom, canvas.shape[0] - 1)):
                for x in range(max(left, 1), min(right, canvas.shape[1] - 1)):
                    value = canvas[y, x]
                    if (
                        value > threshold
                        and value > canvas[y, x - 1]
                        and value > canvas[y, x + 1]
                        and value > canvas[y - 1, x]
                        and value > canvas[y + 1, x]
                        and found < len(xs)
                    ):
                        xs[found], ys[found], heights[found] = x - 1, y - 1, value
                        found += 1
    return found


@njit(cache=True, nogil=True)
def _wipe(canvas, active, ratio):  # type: ignore[no-untyped-def]
    half = ratio // 2
    for by in range(active.shape[0]):
        for bx in range(active.shape[1]):
            if active[by, bx]:
                left, top = max((bx - 1) * ratio + half, 0), max((by - 1) * ratio + half, 0)
                right, bottom = bx * ratio + half + 1, by * ratio + half + 1
                canvas[top + 1 : bottom, left + 1 : right] = 0


@njit(cache=True, nogil=True)
def _thin(xs, ys, heights, distance, most):  # type: ignore[no-untyped-def]
    """Indices from left to right (of one column from the top), without near ones, the highest."""
    order = np.argsort(xs * (ys.max() + 1 if len(ys) else 1) + ys)
    dropped = np.zeros(len(order), np.bool_)
    kept = np.empty(len(order), np.int64)
    count = 0
    for i in range(len(order)):
        if dropped[i]:
            continue
        kept[count] = order[i]
        count += 1
        for j in range(i + 1, len(order)):
            dx, dy = xs[order[j]] - xs[order[i]], ys[order[j]] - ys[order[i]]
            if dx >= distance:
                break
            if np.sqrt(dx * dx + dy * dy) < distance:
                dropped[j] = True
    if count <= most:
        return kept[:count]
    highest = np.argsort(-heights[kept[:count]], kind="mergesort")[:most]
    return kept[np.sort(highest)]


def refined_peaks(heatmaps: Tensor, threshold: float, most: int) -> tuple[Tensor, Tensor]:
    """Cells [B, K, P, 2] and heights [B, K, P] of the `most` highest peaks, 0 where there is none.

    heatmaps [B, K, h, w]. Cells above their 4 neighbours (of equal ones the last), refined along
    both axes by the parabola through the logarithm: exact for a lone Gaussian. Heights are those
    of the parabola through the cells themselves, which noise lifts less.
    """
    height, width = heatmaps.shape[2:]
    maps = finite(heatmaps)
    around = F.pad(maps, (1, 1, 1, 1))
    middle = around[..., 1:-1, 1:-1]
    peak = middle > threshold * SHARE
    peak &= (middle >= around[..., 1:-1, :-2]) & (middle > around[..., 1:-1, 2:])
    peak &= (middle >= around[..., :-2, 1:-1]) & (middle > around[..., 2:, 1:-1])
    top, index = torch.where(peak, maps, 0).flatten(2).topk(min(most, height * width), dim=2)
    column, row = index % width, index // width
    place = (row + 1) * (width + 2) + column + 1
    flat = around.flatten(2)
    near = [flat.gather(2, place + step) for step in (-1, 1, -width - 2, width + 2)]
    lifted = [torch.maximum(value, top * FLOOR).clamp_min(1e-9).log() for value in near]
    center = top.clamp_min(1e-9).log()
    across = _top_of_parabola(lifted[0], center, lifted[1])[0]
    down = _top_of_parabola(lifted[2], center, lifted[3])[0]
    more = [_top_of_parabola(near[n], top, near[n + 1])[1] for n in (0, 2)]
    heights = torch.where(top > 0, top + more[0] + more[1], 0)
    cells = torch.stack([column + across, row + down], -1)
    return cells, torch.where(heights > threshold, heights, 0)


def _top_of_parabola(before: Tensor, center: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """(place of the top within half a cell, its height above the centre)."""
    slope, bend = 0.5 * (after - before), before + after - 2 * center
    place = torch.where(bend < -1e-6, -slope / bend.clamp_max(-1e-6), 0).clamp(-0.5, 0.5)
    return place, 0.5 * slope * place
