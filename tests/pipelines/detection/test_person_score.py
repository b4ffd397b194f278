"""AP and AR of boxes: right for boxes moved by known amounts, and pycocotools' own on real ones."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.ground.sample import Pose
from data.menus import DATASETS
from pipelines.detection.person_score import person_score


def person(x: float, *, keypoints: bool = True, crowd: bool = False) -> Pose:
    """A box of 100 x 200 pixels at x, whose two keypoints are well inside."""
    points = np.array([[x + 20.0, 30.0], [x + 60.0, 90.0]])
    seen = np.full(2, 2 * int(keypoints))
    return Pose(points, seen, (x, 0.0, 100.0, 200.0), area=1.0, is_crowd=crowd)


def row(image_id: int, x: float, score: float = 0.5, **changes: Any) -> dict[str, Any]:
    box = [x, 0.0, 100.0, 200.0]
    return {"image_id": image_id, "category_id": 1, "bbox": box, "score": score} | changes


TRUTH = {1: [person(0), person(300)], 2: [person(0, keypoints=False)], 3: [person(0)], 4: []}
EVERYBODY = [(1, 0.0), (1, 300.0), (2, 0.0), (3, 0.0)]


@pytest.mark.parametrize(
    ("overlap", "hit"),
    [(1.0, 10), (0.775, 6), (0.525, 1), (0.475, 0)],
)
def test_boxes_that_overlap_by_so_much_are_right_up_to_that_threshold(
    overlap: float, hit: int
) -> None:
    aside = 100 * (1 - overlap) / (1 + overlap)
    score = person_score(TRUTH, [row(i, x + aside) for i, x in EVERYBODY], 1)
    assert score is not None and score.people == 4, "people without keypoints are people"
    assert score.numbers == {"AP": hit / 10, "AP50": float(hit > 0), "AR": hit / 10}
    assert not score.spanned


@pytest.mark.parametrize(
    ("rows", "AP", "AR"),
    [
        ([], 0.0, 0.0),
        ([row(1, 0), row(2, 0)], 51 / 101, 0.5),
        ([*(row(i, x) for i, x in EVERYBODY), row(4, 0, 0.1)], 1.0, 1.0),
        ([*(row(i, x) for i, x in EVERYBODY), row(4, 0, 0.9)], 0.8, 1.0),
    ],
    ids=["nobody", "half of them", "one too many, the last", "one too many, the first"],
)
def test_who_is_missed_and_who_is_made_up(rows: list[Any], AP: float, AR: float) -> None:
    score = person_score(TRUTH, rows, 1)
    assert score is not None
    assert score.numbers["AP"] == pytest.approx(AP, abs=1e-6) and score.numbers["AR"] == AR


def test_a_crowd_is_neither_to_be_found_nor_wrong() -> None:
    crowd = Pose(np.zeros((2, 2)), np.zeros(2), (400, 0, 500, 200), is_crowd=True)
    rows = [row(1, 0, 0.5), row(1, 400, 0.9), row(1, 600, 0.8)]
    score = person_score({1: [person(0), crowd]}, rows, 1)
    assert score is not None and score.people == 1
    assert set(score.numbers.values()) == {1.0}


def test_nobody_with_a_box_is_no_score() -> None:
    nobody = Pose(np.zeros((2, 2)), np.zeros(2))
    crowd = person(0, crowd=True)
    assert person_score({1: [nobody, crowd], 2: []}, [row(1, 0)], 1) is None


def test_boxes_that_keypoints_span_are_told() -> None:
    spanned = Pose(np.array([[5.0, 5.0], [50.0, 80.0]]), np.full(2, 2), (5, 5, 45, 75))
    score = person_score({1: [spanned, person(100, keypoints=False)]}, [], 1)
    assert score is not None and score.spanned


@pytest.mark.parametrize(
    "strange",
    [
        "text", {}, row(9, 0), row(1, 0, category_id=2), row(1, 0, score=float("nan")),
        row(1, 0, bbox=[0, 0, 0, 5]), row(1, 0, bbox=[0, 0, 5, 1e300]), row(1, 0, bbox=None),
    ],
)  # fmt: skip
def test_rows_that_are_nobodys_box_are_passed_over(strange: Any) -> None:
    rows = [strange, *(row(i, x) for i, x in EVERYBODY)]
    score = person_score(TRUTH, rows, 1)
    assert score is not None and set(score.numbers.values()) == {1.0}


def test_as_plain_pycocotools_on_real_boxes(real_data: Path) -> None:
    """The files as they are; the truth has people without keypoints, and a crowd."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    root, coco = real_data / "coco_mini", DATASETS["coco"]
    boxes = coco.detections_file(root, "val")
    assert boxes is not None
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(coco.truth_file(root, "val")))
        judge = COCOeval(truth, truth.loadRes(str(boxes)), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    score = person_score(coco.truth(root, "val"), json.loads(boxes.read_text()), 1)
    assert score is not None and score.people == 74 - 1, "the crowd is nobody to be found"
    expected = {"AP": judge.stats[0], "AP50": judge.stats[1], "AR": judge.stats[8]}
    assert score.numbers == pytest.approx(expected, abs=1e-6)
