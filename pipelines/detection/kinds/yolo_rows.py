"""YOLO-style rows: boxes in pixels of the input, and a score for each class.

[1, 4 + C, N] (v8 to v13), [1, N, 4 + C]; with objectness [1, N, 5 + C] of three anchors a cell (v5,
v7), or of one (v6 of github.com/meituan/YOLOv6, 1 everywhere); without doubles [1, n, 6]: x1, y1,
x2, y2, score, class (v10, YOLO26, or exported with NMS). Fed RGB from 0 to 1 in the middle, the
rest 114. Where the file's metadata name its classes, their number must be that of the columns: what
has more is a network of poses or masks.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np

from pipelines.detection.feeding import CENTRE, RGB, UNIT, Feeding
from pipelines.detection.kinds.looked import (
    CORNER_CELLS,
    MORE_CELLS,
    Looked,
    Outputs,
    Reading,
    fractions,
    one_table,
    sure_of_all,
)
from pipelines.detection.rows import Rows, corners

KIND = "yolo_rows"
OUTPUTS = (
    "yolo_rows: one [1, 4 + classes, N] or [1, N, 4 + classes], with objectness [1, N, "
    "5 + classes] of three anchors a cell or of 1 everywhere, "
    "or [1, n, 6] of x1, y1, x2, y2, score, class"
)
NMS, NMS_OF_ANCHORS = 0.7, 0.45
FINISHED = 6  # columns of rows without doubles
OBJECTNESS = 85  # columns of a table of COCO's 80 classes that has it


def reading(looked: Looked) -> Reading | None:
    if (found := one_table(looked.outputs)) is None:
        return None
    name, table = found
    cells = {looked.cells(CORNER_CELLS), looked.cells(MORE_CELLS)}
    feeding = Feeding(CENTRE, 114, RGB, *UNIT)
    people = looked.person()
    if table.shape[1] in cells and len(table) not in cells:
        rows = partial(_plain, name, True)
        whole = _scored(looked, table.T, 4)
        return Reading(KIND, feeding, people, NMS, rows) if whole else None
    if len(table) in {3 * each for each in cells} or _objects(looked, table, cells):
        rows = partial(_anchors, name)
        whole = _scored(looked, table, 5)
        return Reading(KIND, feeding, people, NMS_OF_ANCHORS, rows) if whole else None
    if len(table) in cells:
        whole = _scored(looked, table, 4)
        return Reading(KIND, feeding, people, NMS, partial(_plain, name, False)) if whole else None
    if table.shape[1] == FINISHED and fractions(table[:, 4]) and _whole_numbers(table[:, 5]):
        return Reading(KIND, feeding, people, None, partial(_finished, name))
    return None


def _objects(looked: Looked, table: np.ndarray, cells: Collection[int]) -> bool:
    """Whether rows of one anchor a cell have objectness, which YOLOX's are told from before."""
    if len(table) not in cells:
        return False
    if looked.names is not None:
        return len(looked.names) == table.shape[1] - 5
    return sure_of_all(table) or table.shape[1] == OBJECTNESS


def _scored(looked: Looked, table: np.ndarray, before: int) -> bool:
    """Whether all columns from `before` on are scores, of the classes that the file names."""
    classes = table.shape[1] - before
    named = looked.names is None or len(looked.names) == classes
    return classes > 0 and named and fractions(table[:, 4:])


def _whole_numbers(values: np.ndarray) -> bool:
    return bool((np.isfinite(values) & (values == np.round(values))).all())


def _plain(name: str, turned: bool, outputs: Outputs) -> Rows:
    table = outputs[name].T if turned else outputs[name]
    return Rows(table[:, 4:], None, lambda rows: corners(table[rows, :4].astype(np.float64)))


def _anchors(name: str, outputs: Outputs) -> Rows:
    table = outputs[name]
    score = table[:, 4:5] * table[:, 5:]
    return Rows(score, None, lambda rows: corners(table[rows, :4].astype(np.float64)))


def _finished(name: str, outputs: Outputs) -> Rows:
    table = outputs[name]
    return Rows(table[:, 4], table[:, 5], lambda rows: table[rows, :4])
