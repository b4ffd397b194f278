"""What another decoding gains: against the recipe's own evaluation of the same weights alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.evaluation.folder import every_evaluation
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places
from pipelines.report.decoded import write_gains
from tests.worlds.results import hits, write_evaluation, write_results

FINE = {"scale": "fine"}


@pytest.fixture
def own(home: Path) -> Path:
    write_results("some", quality=0.8, protocols=("gt", "det"))
    return places.evaluated("some")


def decoded(own: Path, quality: float, **changes: Any) -> Path:
    """The evaluation of another decoding, which finds more or less."""
    record = EvaluationRecord.read(own)
    numbers = dict.fromkeys(record.numbers, quality)
    folder = places.decoded("some", "scale=fine")
    other = replace(record, numbers=numbers, decode=FINE, **changes)
    write_evaluation(folder, other, dict.fromkeys(("gt", "det"), hits(quality)))
    return folder


def test_the_gain_is_told_by_protocol_with_its_interval(own: Path) -> None:
    folder = decoded(own, 0.6)
    lines = write_gains(folder, own)
    start = "some, scale=fine: AP@{} 60.00, by the recipe 80.00: -20.00, -"
    assert [
        line.startswith(start.format(at)) for line, at in zip(lines, ("gt", "det"), strict=True)
    ]
    page = (folder / "difference.md").read_text()
    assert page.startswith("# some, scale=fine") and "| AP@gt | 60.00 | 80.00 | -20.00 |" in page


@pytest.mark.parametrize("changes", [{"fingerprint": "other"}, {"data_hash": "e"}, {"epoch": 7}])
def test_other_weights_or_data_are_no_pair(own: Path, changes: dict[str, Any]) -> None:
    folder = decoded(own, 0.6, **changes)
    (line,) = write_gains(folder, own)
    assert line.startswith("some, scale=fine: AP@gt 60.00, AP@det 60.00; ")
    assert "of another training or other data" in line
    assert not (folder / "difference.md").exists()


def test_without_the_recipes_own_evaluation_its_numbers_are_told(own: Path) -> None:
    (line,) = write_gains(decoded(own, 0.6), places.evaluated("nobody"))
    assert "AP@gt 60.00" in line and "no evaluation to set beside it" in line


def test_another_decoding_is_no_evaluation_of_the_recipe(own: Path) -> None:
    decoded(own, 0.6)
    assert [each.path for each in every_evaluation()] == [own]
