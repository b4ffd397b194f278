"""Finished boxes: what remains after the network's own choice, each with its score and class.

mmdeploy (RTMDet, YOLOX of openmmlab): `dets` [1, n, 5] of x1, y1, x2, y2, score, and `labels`
[1, n], fed BGR at the upper left corner, the rest 114: normalised where a convolution reads the
image first (RTMDet), as it is where anything else does (YOLOX's slices, a normalisation inside).
Official exports of RT-DETR and D-FINE: `boxes` [1, Q, 4], `scores` [1, Q], `labels` [1, Q], fed
RGB from 0 to 1 stretched, and the size of the input, in which boxes then are.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from pipelines.detection.feeding import (
    AS_IT_IS,
    BGR,
    CORNER,
    IMAGENET_BGR,
    RGB,
    STRETCH,
    UNIT,
    Feeding,
)
from pipelines.detection.kinds.looked import Looked, Outputs, Reading, fractions
from pipelines.detection.rows import Rows

KIND = "finished"
OUTPUTS = (
    "finished: dets [1, n, 5] and labels [1, n] (mmdeploy), or boxes [1, n, 4], scores [1, n] and "
    "labels [1, n]"
)
NORMALISED = frozenset({"Conv"})  # what reads an image first that is normalised outside


def reading(looked: Looked) -> Reading | None:
    shapes = {name: each.shape[1:] for name, each in looked.outputs.items() if each.ndim in (1, 2)}
    whole = {n: np.issubdtype(looked.outputs[n].dtype, np.integer) for n in shapes}
    labels = [name for name, shape in shapes.items() if shape == () and whole[name]]
    scores = [name for name, shape in shapes.items() if shape == () and not whole[name]]
    dets, boxes = ([n for n, shape in shapes.items() if shape == (k,)] for k in (5, 4))
    if (len(labels), len(dets), len(scores)) == (1, 1, 0):
        mean, std = IMAGENET_BGR if looked.first() == NORMALISED else AS_IT_IS
        feeding = Feeding(CORNER, 114, BGR, mean, std)
        return Reading(KIND, feeding, looked.person(), None, partial(_dets, dets[0], labels[0]))
    if (len(labels), len(boxes), len(scores)) == (1, 1, 1):
        feeding = Feeding(STRETCH, 0, RGB, *UNIT, smooth=True)
        given = looked.outputs[boxes[0]]
        shares = not looked.takes_size and bool(given.size) and fractions(given)
        size = looked.size if shares else (1, 1)
        rows = partial(_boxes, boxes[0], scores[0], labels[0], size)
        return Reading(KIND, feeding, looked.person(), None, rows)
    return None


def _dets(dets: str, labels: str, outputs: Outputs) -> Rows:
    table = outputs[dets]
    return Rows(table[:, 4], outputs[labels], lambda rows: table[rows, :4])


def _boxes(boxes: str, scores: str, labels: str, size: tuple[int, int], outputs: Outputs) -> Rows:
    scale = np.array([*size, *size], np.float64)
    return Rows(outputs[scores], outputs[labels], lambda rows: outputs[boxes][rows] * scale)
