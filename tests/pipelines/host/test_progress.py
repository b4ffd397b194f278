"""Numbers as a person is told them."""

from __future__ import annotations

import re

import pytest

from pipelines.host.progress import Tally, told_number


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
