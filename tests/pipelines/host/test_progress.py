"""Numbers as a person is told them."""

from __future__ import annotations

import pytest

from pipelines.host.progress import told_number


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
