"""Duplicates go: OKS-NMS, over the people of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


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
    order = np.argsort(scores, kind="stable")[::-1]
    points = np.asarray(keypoints, dtype=np.float64)[order]
    area = np.asarray(areas, dtype=np.float64)[order]
    variance = (2 * np.asarray(sigmas, dtype=np.float64)) ** 2
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for row in range(len(order)):
        if not alive[row]:
            continue
        kept.append(int(order[row]))
        after = slice(row + 1, None)
        squared = ((points[after] - points[row]) ** 2).sum(-1)  # [M, K]
        mean_area = (area[after] + area[row]) / 2 + np.spacing(1)
        oks = np.exp(-squared / variance / mean_area[:, None] / 2).mean(-1)
        alive[after] &= oks <= threshold
    return kept
