"""The page of an analysis: a section per protocol, dashes for nobody, pictures of what is there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.evaluators.matching.errors import KINDS
from data.files.images import read_image
from data.ground.skeleton import Skeleton
from pipelines.report.errors_page import (
    COLOURS,
    draw_errors,
    draw_groups,
    errors_page,
    group_rows,
    image_rows,
    keypoint_rows,
    metric_rows,
)
from tests.worlds.results import evaluation_record, recipe, training_record

TWO = Skeleton("two", ("left_hand", "right_hand"), (), (), (0.1, 0.1), ())
NOBODY = dict.fromkeys(KINDS, math.nan)


def numbers(**changes: Any) -> dict[str, Any]:
    """As pipelines/evaluation/errors.py tells them: nobody's right hand is labelled."""
    shares = dict(zip(KINDS, (0.5, 0.25, 0.125, 0.1, 0.025), strict=True))
    return {
        "people": 4,
        "people_found": 3,
        "predictions": 5,
        "intervals": {
            "AP": {"value": 0.5, "low": 0.4, "high": 0.625},
            "APM": {"value": -1.0, "low": math.nan, "high": math.nan},
        },
        "errors": shares,
        "keypoints": {
            "left_hand": {"labelled": 3.0, "oks": 0.75, **shares},
            "right_hand": {"labelled": 0.0, "oks": -1.0, **NOBODY},
        },
        "groups": [
            {"by": "size", "group": "below 32", "people": 4, "AP": interval(0.5), "AR": 0.6},
            {"by": "crowding", "group": "1", "people": 0, "AP": interval(-1.0), "AR": -1.0},
        ],
        "worst": [worst(7, picture="worst/7.jpg"), worst(8), worst(9, picture="")],
    } | changes


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def worst(image_id: int, **more: str) -> dict[str, Any]:
    return {"image_id": image_id, "people": 2, "found": 1, "mean_oks": 0.25, **NOBODY, **more}


def page(errors: dict[str, Any]) -> str:
    made = recipe()
    record = evaluation_record(training_record("some", made, "e" * 64), made, {"gt": 0.5})
    return errors_page("some", record, errors)


def test_each_protocol_has_its_section_and_its_pictures() -> None:
    told = page({"gt": numbers(), "det": numbers(people_found=1)})
    before, at_gt, at_det = told.split("\n## @")
    assert before.startswith("# some: what goes wrong\n")
    assert f"stick_figures val, data `{'e' * 12}`, epoch 1." in before
    for section, protocol, other, found in ((at_gt, "gt", "det", 3), (at_det, "det", "gt", 1)):
        assert section.startswith(f"{protocol}\n\n{found} of 4 people found by 5 predictions.")
        assert f"(errors_{protocol}.png)" in section and f"(groups_{protocol}.png)" in section
        assert f"@{other}" not in section and f"_{other}.png" not in section


def test_metrics_stand_under_their_protocol_with_their_interval() -> None:
    assert metric_rows("det", numbers()) == [
        ["AP@det", "50.0", "40.0 to 62.5"],
        ["APM@det", "no medium people", "– to –"],
    ]


def test_a_group_of_nobody_has_dashes() -> None:
    size, crowding = group_rows(numbers())
    assert size == [
        "square root of the person's area", "below 32", "4", "50.0", "40.0 to 60.0", "60.0"
    ]  # fmt: skip
    assert crowding == ["other people whose boxes overlap", "1", "0", "–", "– to –", "–"]


def test_a_keypoint_that_nobody_has_labelled_has_dashes_and_all_stand_below() -> None:
    left, right, everything = keypoint_rows(numbers())
    assert left[:4] == ["left_hand", "3", "75.0", "50.0"]
    assert right == ["right_hand", "0", "–", *["–"] * len(KINDS)]
    assert everything == ["**all**", "", "", "50.0", "25.0", "12.5", "10.0", "2.5"]


def test_of_the_worst_images_those_with_a_picture_are_shown() -> None:
    (row,) = image_rows(numbers())
    assert row == ["[7](worst/7.jpg)", "2", "1", "25.0", *["–"] * len(KINDS)]


def share_of(path: Path, colour: str) -> float:
    """Of the picture's pixels, how many are of a colour (#rrggbb)."""
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return float((read_image(path) == np.array(wanted)).all(-1).mean())


def test_bars_are_as_long_as_their_shares(tmp_path: Path) -> None:
    draw_errors(tmp_path / "errors.png", numbers(), "gt", TWO)
    good, jitter, miss = (
        share_of(tmp_path / "errors.png", COLOURS[kind]) for kind in ("good", "jitter", "miss")
    )
    assert good > jitter > miss > 0
    everything_missed = dict.fromkeys(KINDS, 0.0) | {"miss": 1.0, "labelled": 3.0, "oks": 0.0}
    keypoints = dict.fromkeys(TWO.keypoints, everything_missed)
    draw_errors(tmp_path / "missed.png", numbers(keypoints=keypoints), "gt", TWO)
    assert share_of(tmp_path / "missed.png", COLOURS["miss"]) > good


@pytest.mark.parametrize("groups", [[], numbers()["groups"][1:]])
def test_groups_of_nobody_are_empty_panels(tmp_path: Path, groups: list[dict[str, Any]]) -> None:
    bars = "#0072b2"
    draw_groups(tmp_path / "none.png", groups, "gt")
    assert share_of(tmp_path / "none.png", bars) == 0.0
    draw_groups(tmp_path / "some.png", numbers()["groups"][:1], "gt")
    assert share_of(tmp_path / "some.png", bars) > 0.01
