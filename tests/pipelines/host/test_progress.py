"""Numbers as a person is told them."""

from __future__ import annotations

import re

import pytest

from pipelines.host.progress import (
    Pace,
    Progress,
    ProgressLine,
    Tally,
    duration,
    read_progress,
    told_names,
    told_number,
)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AP@gt", 0.6884, "0.688"),
        ("APM@gt", 0.0, "0.000"),
        ("APM@gt", -1.0, "no medium people"),
        ("ARM@image", -1.0, "no medium people"),
        ("APL@det", -1.0, "no large people"),
        ("AP", -1.0, "no people"),
        ("PCKh@0.5@gt", -1.0, "no people"),
        ("AP_easy@gt", -1.0, "no easy images"),
        ("AP@gt", float("nan"), "nan"),
    ],
)
def test_minus_one_is_told_in_words(name: str, value: float, told: str) -> None:
    assert told_number(name, value) == told


def test_of_many_names_some_are_told() -> None:
    assert told_names(["a", "b"], 2) == "a, b"
    assert told_names(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("total", "done", "shown"),
    [
        (115, 100, r"poses  100/115 frames  [\d,.]+/s  ETA \d+ s\n"),
        (115, 117, r"poses  117 frames  [\d,.]+/s\n"),  # told beforehand, and wrong
        (0, 5, r"poses  5 frames  [\d,.]+/s\n"),
    ],
)
def test_the_time_left_is_told_where_the_whole_is_known(
    total: int, done: int, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally("poses", total, "frames")
    tally.add(done)
    tally.show()
    assert re.fullmatch(shown, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("number", "told"),
    [(0.6884, "AP@gt 0.688"), (-1.0, "AP@gt no people"), (float("nan"), "AP@gt nan")],
)
def test_lines_of_a_training_are_read_back(
    number: float, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ProgressLine("some_recipe", epochs=4, steps=10, samples_per_step=8)
    pace = Pace()
    pace.steps = 3
    line._next = 0.0
    line.show(1, 3, pace, lambda: 0.125)
    row = {"epoch": 2.0, "loss": 1.5e-7, "samples_per_second": 88.0, "data_wait_share": 0.02}
    line.epoch_done(row | {"AP@gt": number}, "AP@gt")
    line.epoch_done(row, "AP@gt")
    shown, validated, not_validated = map(read_progress, capsys.readouterr().out.splitlines())
    assert shown is not None
    assert re.fullmatch(r"[\d:]+", shown.left)
    assert shown == Progress("some_recipe", 2, 4, shown.left)
    assert validated == Progress("some_recipe", 2, 4, number=told)
    assert not_validated == Progress("some_recipe", 2, 4)


def test_what_is_told_elsewhere_is_what_the_line_says_however_late(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ProgressLine("small", epochs=4, steps=10, samples_per_step=8)
    pace = Pace()
    with pace.waiting():
        pace.steps = 3
    line._next = 0.0
    line.show(1, 3, pace, lambda: 0.125)
    assert ProgressLine.latest is not None
    told = ProgressLine.latest.numbers()
    shown = (
        f"{told['samples_per_second']:.1f} samples/s  loss 0.125  "
        f"data wait {told['data_wait_share']:.0%}  ETA {duration(told['eta_hours'] * 3600)}"
    )
    assert capsys.readouterr().out.endswith(f"{shown}\n")
    assert told["samples_per_second"] * told["eta_hours"] * 3600 == pytest.approx(27 * 8)
    pace.steps = 10**9  # what comes behind the line
    assert ProgressLine.latest.numbers() == told


@pytest.mark.parametrize("line", ["", "error: epoch 3/4", "a: best epoch 3, AP 0.1 -> b", "a 3/4"])
def test_other_lines_tell_no_progress(line: str) -> None:
    assert read_progress(line) is None
