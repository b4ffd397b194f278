"""YOLOX: one [1, N, 5 + C], a row for each cell of the grids of strides 8, 16, 32 (or to 64).

Official exports hold offsets and logarithms in cells, or boxes in pixels (`decode_in_inference`):
which, the values tell, since a decoded box lies near its cell. Then objectness and classes, all
from 0 to 1. Fed BGR from 0 to 255 at the upper left corner, the rest 114.

[1, N, 4 + C] of other exporters looks the same: its metadata's names tell, or 84 columns (COCO's 80
classes), or `kind: yolo_rows`. So does [1, N, 5 + C] of YOLOv6, whose objectness is 1 everywhere.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pipelines.detection.feeding import BGR, CORNER, Feeding
from pipelines.detection.kinds.looked import (
    CORNER_CELLS,
    MORE_CELLS,
    Looked,
    Outputs,
    Reading,
    fractions,
    grids,
    one_table,
    sure_of_all,
)
from pipelines.detection.rows import Rows, corners

KIND = "yolox"
OUTPUTS = "yolox: one [1, cells of strides 8, 16, 32, 5 + classes]"
NMS = 0.45
OTHER = 84  # columns of a table without objectness


def reading(looked: Looked) -> Reading | None:
    if (found := one_table(looked.outputs)) is None:
        return None
    name, table = found
    strides = [each for each in (CORNER_CELLS, MORE_CELLS) if looked.cells(each) == len(table)]
    if not strides or table.shape[1] < 6 or not fractions(table[:, 4:]):
        return None
    others = _without_objectness(looked, table.shape[1]) or sure_of_all(table)
    if others and not looked.asked:
        return None
    cells, step = grids(looked.size, strides[0])
    made = partial(_decoded, name) if _is_decoded(table, cells, step) else None
    rows = made or partial(_from_cells, name, cells, step)
    return Reading(KIND, Feeding(CORNER, 114, BGR), looked.person(), NMS, rows)


def _without_objectness(looked: Looked, columns: int) -> bool:
    if looked.names is not None:
        return len(looked.names) == columns - 4
    return columns == OTHER


def _is_decoded(table: np.ndarray, cells: np.ndarray, step: np.ndarray) -> bool:
    """Whether middles are pixels near their cells, rather than small offsets in cells."""
    as_pixels = np.abs(table[:, :2] / step - cells)
    return bool(np.nanmedian(as_pixels) < np.nanmedian(np.abs(table[:, :2])))


def _score(table: np.ndarray) -> np.ndarray:
    return table[:, 4:5] * table[:, 5:]


def _decoded(name: str, outputs: Outputs) -> Rows:
    table = outputs[name]
    return Rows(_score(table), None, lambda rows: corners(table[rows, :4].astype(np.float64)))


def _from_cells(name: str, cells: np.ndarray, step: np.ndarray, outputs: Outputs) -> Rows:
    table = outputs[name]

    def box(rows: np.ndarray) -> np.ndarray:
        raw = table[rows, :4].astype(np.float64)
        middle, size = (raw[:, :2] + cells[rows]) * step[rows], np.exp(raw[:, 2:]) * step[rows]
        return corners(np.concatenate([middle, size], axis=1))

    return Rows(_score(table), None, box)
