"""Refusals tell the user's own files: what a link points to, the source that a copy came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.ground.refusal import refusal
from pipelines.intake.given_names import given_names


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    given = tmp_path / "given"
    given.mkdir()
    (given / "labels.json").write_text("{}")
    (tmp_path / "raw" / "annotations").mkdir(parents=True)
    (tmp_path / "raw" / "annotations" / "val.json").symlink_to(given / "labels.json")
    (tmp_path / "raw" / "images").symlink_to(given)
    return tmp_path / "raw"


@pytest.mark.parametrize(
    ("place", "source", "told"),
    [
        ("annotations/val.json", None, "{given}/labels.json"),
        ("images/sub/a.jpg", None, "{given}/sub/a.jpg"),
        ("annotations/train.json", "s3://bucket/set/", "s3://bucket/set/annotations/train.json"),
        ("annotations/train.json", None, "{raw}/annotations/train.json"),
    ],
)
def test_what_is_told(raw: Path, place: str, source: str | None, told: str) -> None:
    with pytest.raises(ValueError) as error, given_names(raw, source):
        raise refusal(raw / place, fault="empty", do="fill it")
    expected = told.format(given=raw.with_name("given"), raw=raw)
    assert str(error.value) == f"{expected}: empty; fill it"


def test_words_of_other_places_stay(raw: Path) -> None:
    with pytest.raises(ValueError, match=r"^/elsewhere: empty$"), given_names(raw, "s3://bucket"):
        raise refusal("/elsewhere", fault="empty")
