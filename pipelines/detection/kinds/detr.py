"""DETR-style: for each query logits of classes and a box, as fractions of the image; no NMS.

RT-DETR, D-FINE (transformers: `logits` [1, Q, C], `pred_boxes` [1, Q, 4] of middle and size), fed
RGB from 0 to 1 stretched over the input. RF-DETR (`dets`, `labels`) and 91 or 92 classes (DETR:
COCO's own numbers, person is 1; the 92nd is nobody, by softmax) are fed normalised as ImageNet.
One [1, Q, 4 + C] with both as fractions (RT-DETR as YOLO's exporter writes it) is of this kind too.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pipelines.detection.feeding import IMAGENET_RGB, RGB, STRETCH, UNIT, Feeding
from pipelines.detection.kinds.looked import Looked, Outputs, Reading, fractions, one_table
from pipelines.detection.rows import Rows, corners

KIND = "detr"
OUTPUTS = (
    "detr: logits [1, Q, classes] and boxes [1, Q, 4] as fractions, or one [1, Q, 4 + classes]"
)
OFFICIAL = 91  # classes where COCO's own numbers are kept
OUTSIDE = 1.5  # how far from the middle numbers of a box may be, in sizes of the image
NOBODY = 92  # with one for queries that found nothing
NAMES = (("logits", "pred_boxes"), ("labels", "dets"))  # of transformers, of RF-DETR


def reading(looked: Looked) -> Reading | None:
    if table := one_table(looked.outputs):
        return _of_one(looked, *table)
    for names in (*NAMES, *_by_shape(looked.outputs)):
        if all(name in looked.outputs for name in names):
            logits, boxes = (looked.outputs[name] for name in names)
            if _fit(logits, boxes):
                return _of_two(looked, *names)
    return None


def _by_shape(outputs: Outputs) -> list[tuple[str, str]]:
    """Of two outputs (logits, boxes), where only one can be boxes."""
    tables = [name for name, each in outputs.items() if each.ndim == 2]
    boxes = [name for name in tables if outputs[name].shape[1] == 4]
    if len(outputs) != 2 or len(tables) != 2 or len(boxes) != 1:
        return []
    return [(next(name for name in tables if name != boxes[0]), boxes[0])]


def _fit(logits: np.ndarray, boxes: np.ndarray) -> bool:
    floats = all(np.issubdtype(each.dtype, np.floating) for each in (logits, boxes))
    alike = logits.ndim == 2 and boxes.shape == (len(logits), 4)
    return floats and alike and bool(logits.size) and _near_fractions(boxes)


def _near_fractions(boxes: np.ndarray) -> bool:
    """As fractions, of which RF-DETR's may end outside the image (`bbox_reparam`: no sigmoid)."""
    finite = boxes[np.isfinite(boxes)]
    return bool((np.abs(finite - 0.5) <= OUTSIDE).all())


def _of_two(looked: Looked, logits: str, boxes: str) -> Reading:
    classes = looked.outputs[logits].shape[1]
    official = classes in (OFFICIAL, NOBODY)
    normalised = official or (logits, boxes) == NAMES[1]
    mean, std = IMAGENET_RGB if normalised else UNIT
    feeding = Feeding(STRETCH, 0, RGB, mean, std, smooth=not normalised)
    people = looked.person(1 if official else 0)
    scored = fractions(looked.outputs[logits])
    rows = partial(_rows, logits, boxes, looked.size, scored)
    return Reading(KIND, feeding, people, None, rows)


def _of_one(looked: Looked, name: str, table: np.ndarray) -> Reading | None:
    if table.shape[1] < 5 or not len(table) or not fractions(table):
        return None
    feeding = Feeding(STRETCH, 0, RGB, *UNIT)
    rows = partial(_split, name, looked.size)
    return Reading(KIND, feeding, looked.person(), None, rows)


def _rows(logits: str, boxes: str, size: tuple[int, int], scored: bool, outputs: Outputs) -> Rows:
    given = outputs[logits]
    score = given if scored else _scores(given.astype(np.float64))
    return Rows(score, None, lambda rows: _in_pixels(outputs[boxes][rows], size))


def _split(name: str, size: tuple[int, int], outputs: Outputs) -> Rows:
    table = outputs[name]
    return Rows(table[:, 4:], None, lambda rows: _in_pixels(table[rows, :4], size))


def _scores(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        if logits.shape[1] != NOBODY:
            return np.asarray(1 / (1 + np.exp(-logits)))
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(share / share.sum(axis=1, keepdims=True))


def _in_pixels(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return corners(boxes.astype(np.float64) * (*size, *size))
