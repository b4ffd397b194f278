"""Json files between stages: read back as they were written, or refused with what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from data.ground.json_text import read_object
from pipelines.recipe.json_records import record_of
from pipelines.recipe.strict import LATER, as_plain_data

DO = "run it first"


@dataclass(frozen=True)
class Part:
    share: float


@dataclass(frozen=True)
class Record:
    name: str
    parts: dict[str, Part]
    epoch: int | None = None
    seconds: float | None = field(default=None, metadata=LATER)


RECORD = Record("some", {"a": Part(0.5)}, epoch=3)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for record in (RECORD, Record("b", {}), Record("c", {"d": Part(1.0)}, None, 2.5)):
        path.write_text(json.dumps(as_plain_data(record)))
        content = read_object(path)
        assert record_of(Record, content, path, DO) == record
        assert ("seconds" in content) == (record.seconds is not None)


def test_keys_that_are_not_known_are_passed_over() -> None:
    content = as_plain_data(RECORD) | {"of_another_time": [1]}
    assert record_of(Record, content, Path("r.json"), DO) == RECORD
    assert "of_another_time" in content, "what was read is left as it is"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": 3}, "name: given 3, accepted: a str"),
        ({"epoch": "three"}, "epoch: given 'three', accepted: a int"),
        ({"parts": {"a": {"share": "half"}}}, "parts.a.share: given 'half'"),
        ({"parts": {"a": {}}}, "parts.a.share: missing"),
        ({"parts": {"a": {"share": 1.0, "shaer": 1.0}}}, "did you mean 'share'"),
    ],
)
def test_a_wrong_value_is_told_with_its_place_and_what_to_do(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=rf"^r\.json: .*; {DO}$") as caught:
        record_of(Record, as_plain_data(RECORD) | changes, Path("r.json"), DO)
    assert said in str(caught.value)


def test_a_missing_key_is_told_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=rf"^r\.json: name: missing; .*; {DO}$"):
        record_of(Record, {"parts": {}}, Path("r.json"), DO)
