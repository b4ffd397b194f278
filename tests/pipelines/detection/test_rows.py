"""People among rows: doubles, classes, the least score, and numbers that are none."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from pipelines.detection.opening import open_detector
from pipelines.detection.rows import Rows, people
from tests.worlds.detectors import constant_detector

BOXES = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 60, 80], [0, 0, 10, 11.0]])
SCORES = np.array([[0.9, 0.1], [0.8, 0.7], [0.5, 0.0], [0.3, 0.95]])


def rows(score: np.ndarray = SCORES, label: np.ndarray | None = None) -> Rows:
    return Rows(score, label, lambda chosen: BOXES[chosen])


@pytest.mark.parametrize(
    ("classes", "least", "nms", "most", "expected"),
    [
        ([0], 0.05, 0.7, 300, [0.9, 0.5]),
        ([0], 0.05, 0.9, 300, [0.9, 0.8, 0.5]),
        ([0], 0.05, None, 300, [0.9, 0.8, 0.5, 0.3]),
        ([0], 0.6, None, 300, [0.9, 0.8]),
        ([0], 0.9, None, 300, [0.9]),
        ([0, 1], 0.4, 0.7, 300, [0.95, 0.9, 0.5]),
        ([0, 1], 0.4, 0.7, 2, [0.95, 0.9]),
    ],
)
def test_the_best_of_each_class(
    classes: list[int], least: float, nms: float | None, most: int, expected: list[float]
) -> None:
    box, score = people(rows(), classes, least, nms, most, "net")
    assert score.tolist() == pytest.approx(expected)
    assert box.dtype == score.dtype == np.float64 and box.shape == (len(expected), 4)


def test_rows_of_labels() -> None:
    label = np.array([0, 0, 1, 0])
    _, score = people(rows(SCORES[:, 0], label), [0], 0.0, None, 300, "net")
    assert score.tolist() == [0.9, 0.8, 0.3]


def test_numbers_that_are_none_are_nobody() -> None:
    odd = np.array([[np.nan, 0, 9, 9], [0, 0, np.inf, 9], [9, 9, 0, 0], [5, 5, 5, 9], [0, 0, 9, 9]])
    score = np.array([[0.9], [0.9], [0.9], [0.9], [np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        box, _ = people(Rows(score, None, lambda chosen: odd[chosen]), [0], 0.1, 0.5, 9, "net")
    assert len(box) == 0


@pytest.mark.parametrize(
    ("score", "classes", "told"),
    [
        (SCORES * 40, [0], r"net: scores up to 36, .* `kind`"),
        (SCORES, [2], r"net: class 2 is none of its 2; .*`classes`"),
    ],
)
def test_what_cannot_be_meant(score: np.ndarray, classes: list[int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        people(rows(score), classes, 0.1, 0.5, 9, "net")


@pytest.mark.parametrize("kind", ["many", "none", "far", "thin", "outside"])
def test_outputs_of_any_size(kind: str, tmp_path: Path) -> None:
    """A million rows, no rows, boxes far outside: boxes within the image, at most 300."""
    count = {"many": 1_000_000, "none": 0}.get(kind, 50)
    random = np.random.default_rng(0)
    table = np.zeros((1, count, 6), np.float32)
    table[..., :2] = random.uniform(0, 60, (1, count, 2))
    table[..., 2:4] = table[..., :2] + random.uniform(5, 40, (1, count, 2))
    table[..., 4] = random.uniform(0.1, 1, (1, count))
    if kind == "far":
        table[..., :2], table[..., 2:4] = -1e30, 1e30
    if kind == "thin":
        table[..., 2] = table[..., 0] + 1e-3
    if kind == "outside":
        table[..., :4] += 500
    detector = open_detector(str(constant_detector(tmp_path / "a.onnx", {"rows": table})))
    (found,) = detector.find([np.zeros((50, 70, 3), np.uint8)])
    assert len(found.score) <= 300 and (np.diff(found.score) <= 0).all()
    assert (found.box_image >= 0).all() and (found.box_image[:, 2:] >= 1).all()
    assert (found.box_image[:, :2] + found.box_image[:, 2:] <= [70.001, 50.001]).all()
    people_there = {"many": 300, "none": 0, "far": 50, "thin": 0, "outside": 0}
    assert len(found.score) <= people_there[kind] and (len(found.score) > 0) == (
        people_there[kind] > 0
    )
