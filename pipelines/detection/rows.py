"""Rows that a detector's network puts out, and the people among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from data.ground.refusal import refusal

COMPARED = 5000  # best rows of a class that are compared with each other
FAR = 1e6  # pixels: no box reaches further, so that areas stay numbers
ABOVE_ONE = 1.01  # what rounding may make of a score of 1


class Rows(NamedTuple):
    """What the outputs say of one image.

    score: [N, C] of each class, or [N] of the class in `label` [N]; box: rows [n] -> their boxes
    [n, 4] (x1, y1, x2, y2) in pixels of the input, made of those rows alone.
    """

    score: np.ndarray
    label: np.ndarray | None
    box: Callable[[np.ndarray], np.ndarray]


def people(
    rows: Rows, classes: Sequence[int], least: float, nms: float | None, most: int, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 4] (x1, y1, x2, y2) in pixels of the input and scores [n], best first.

    least: no box of a smaller score; nms: of boxes of a class that overlap by more the best stays;
    None: all stay. Rows without finite numbers or without an area are no people. Raises ValueError
    where a score is above 1, or no row has such a class.
    """
    boxes, scores = [np.empty((0, 4))], [np.empty(0)]
    for number in classes:
        score = _of_class(rows, number, where)
        with np.errstate(invalid="ignore"):
            chosen = np.flatnonzero((score >= least) & np.isfinite(score))
        if score[chosen].max(initial=0) > ABOVE_ONE:
            fault = f"scores up to {score[chosen].max():g}, which are none"
            raise refusal(where, fault=fault, do="say its `kind` in its settings")
        order = chosen[np.argsort(-score[chosen], kind="stable")][:COMPARED]
        with np.errstate(all="ignore"):
            box = np.asarray(rows.box(order), np.float64)
            whole = np.isfinite(box).all(1) & (box[:, 2:] > box[:, :2]).all(1)
        box, kept = np.clip(box[whole], -FAR, FAR), score[order[whole]]
        stay = slice(None) if nms is None else _without_doubles(box, kept, nms)
        boxes.append(box[stay])
        scores.append(np.minimum(kept[stay], 1.0))
    box, score = np.concatenate(boxes), np.concatenate(scores).astype(np.float64)
    best = np.argsort(-score, kind="stable")[:most]
    return box[best], score[best]


def _of_class(rows: Rows, number: int, where: str) -> np.ndarray:
    """Scores [N] of one class, below all where a row is of another."""
    if rows.label is not None:
        return np.where(rows.label == number, rows.score, -1)
    if number >= rows.score.shape[1]:
        fault = f"class {number} is none of its {rows.score.shape[1]}"
        raise refusal(where, fault=fault, do="say in its settings which `classes` are people")
    return np.asarray(rows.score[:, number])


def _without_doubles(box: np.ndarray, score: np.ndarray, most: float) -> np.ndarray:
    """Rows that stay, best first."""
    sized = np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1)
    if not len(sized):
        return np.empty(0, np.int64)
    kept = cv2.dnn.NMSBoxes(sized, score.astype(np.float32), 0.0, most)  # type: ignore[arg-type]
    return np.asarray(kept, np.int64).reshape(-1)


def corners(middle: np.ndarray) -> np.ndarray:
    """[n, 4] (middle x, middle y, width, height) -> (x1, y1, x2, y2)."""
    half = middle[:, 2:4] / 2
    return np.concatenate([middle[:, :2] - half, middle[:, :2] + half], axis=1)
