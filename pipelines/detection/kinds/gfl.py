"""GFL-style heads: scores of classes, and a distribution of the distance to each side, by cell.

NanoDet (github.com/RangiLyu/nanodet): per stride scores [1, n, C] and distances [1, n, 4 (R + 1)],
or both in one [1, N, C + 4 (R + 1)] with strides 8, 16, 32 (around the cell's middle) or 8 to 64
(NanoDet-Plus: around its corner). Scores are from 0 to 1, distances logits of R + 1 bins a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pipelines.detection.feeding import BGR, CORNER, IMAGENET_BGR, STRETCH, Feeding
from pipelines.detection.kinds.looked import (
    CORNER_CELLS,
    MORE_CELLS,
    Looked,
    Outputs,
    Reading,
    fractions,
    grid,
    grids,
    one_table,
)
from pipelines.detection.rows import Rows

KIND = "gfl"
OUTPUTS = (
    "gfl (NanoDet): scores [1, n, classes] and distances [1, n, 4 x bins] of each stride, or one "
    "[1, N, classes + 4 x bins]"
)
NMS = 0.6
STRIDES = (8, 16, 32, 64, 128)


def reading(looked: Looked) -> Reading | None:
    return _of_strides(looked) or _of_one(looked)


def _of_strides(looked: Looked) -> Reading | None:
    pairs: list[tuple[int, str, str]] = []
    for stride in STRIDES:
        cells = len(grid(looked.size, stride))
        names = [n for n, each in looked.outputs.items() if each.shape[:1] == (cells,)]
        if len(names) == 2 and all(looked.outputs[name].ndim == 2 for name in names):
            score, distance = sorted(names, key=lambda n: not fractions(looked.outputs[n]))
            pairs.append((stride, score, distance))
    tables = [looked.outputs[name] for _, *names in pairs for name in names]
    if not pairs or len(tables) != len(looked.outputs):
        return None
    if not all(fractions(t) for t in tables[::2]) or any(t.shape[1] % 4 for t in tables[1::2]):
        return None
    middle, step = _centres(looked.size, [stride for stride, *_ in pairs], 0.5)
    scores, distances = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    return _answer(looked, CORNER, partial(_joined, scores, distances, middle, step))


def _of_one(looked: Looked) -> Reading | None:
    if (found := one_table(looked.outputs)) is None:
        return None
    name, table = found
    plus = len(table) == looked.cells(MORE_CELLS)
    if not plus and len(table) != looked.cells():
        return None
    scored = [fractions(column) for column in table.T]
    classes = scored.index(False) if False in scored else len(scored)
    if not classes or classes == len(scored) or (len(scored) - classes) % 4:
        return None
    middle, step = _centres(looked.size, *((MORE_CELLS, 0.0) if plus else (CORNER_CELLS, 0.5)))
    fit = STRETCH if plus else CORNER
    return _answer(looked, fit, partial(_split, name, classes, middle, step))


def _answer(looked: Looked, fit: str, rows: Callable[[Outputs], Rows]) -> Reading:
    mean, std = IMAGENET_BGR
    feeding = Feeding(fit, 0, BGR, mean, std, smooth=True)
    return Reading(KIND, feeding, looked.person(), NMS, rows)


def _centres(
    size: tuple[int, int], strides: Sequence[int], within: float
) -> tuple[np.ndarray, np.ndarray]:
    cells, step = grids(size, strides)
    return (cells + within) * step, step


def _joined(
    scores: Sequence[str],
    distances: Sequence[str],
    middle: np.ndarray,
    step: np.ndarray,
    outputs: Outputs,
) -> Rows:
    score = np.concatenate([outputs[name] for name in scores])
    distance = np.concatenate([outputs[name] for name in distances])
    return Rows(score, None, lambda rows: _boxes(middle[rows], step[rows], distance[rows]))


def _split(name: str, classes: int, middle: np.ndarray, step: np.ndarray, outputs: Outputs) -> Rows:
    score, distance = outputs[name][:, :classes], outputs[name][:, classes:]
    return Rows(score, None, lambda rows: _boxes(middle[rows], step[rows], distance[rows]))


def _boxes(middle: np.ndarray, step: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """[n, 2], [n, 1], logits [n, 4 B] (left, top, right, bottom) -> [n, 4]."""
    bins = logits.shape[1] // 4
    share = logits.reshape(-1, 4, bins).astype(np.float64)
    share = np.exp(share - share.max(axis=2, keepdims=True, initial=-np.inf))
    reach = (share @ np.arange(bins)) / share.sum(axis=2) * step
    return np.concatenate([middle - reach[:, :2], middle + reach[:, 2:]], axis=1)
