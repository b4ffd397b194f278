"""Rows of a json that stay text until they are read: what they hold, and what is refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from data.datasets.sources.json_rows import JsonRows, read_json_rows
from data.ground.json_text import read_json
from tests.chaos.mutators import broken_bytes

ROWS = {"info": {"year": 2017, "notes": [1, 2]}, "images": [{"id": 1, "file_name": "ü\u0000.jpg"}],
        "annotations": [{"id": 2**63, "keypoints": [0.1, -0.0, 1e-320], "bbox": None},
                        {"id": -(2**70), "area": 1.0e2, "iscrowd": True}]}  # fmt: skip
TEXT = json.dumps(ROWS).encode()


def plain(value: Any) -> Any:
    """Rows of `JsonRows` as a list, at the first depth, where alone they are."""
    if isinstance(value, dict):
        return {key: list(v) if isinstance(v, JsonRows) else v for key, v in value.items()}
    return value


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        json.dumps(ROWS).encode("utf-16"),
        json.dumps(ROWS, ensure_ascii=False, indent=3).encode(),
        b'{"a": [1], "a": [2, {"b": 1, "b": [2]}]}',
        b'{"a": [NaN, -Infinity]}',
        b'{"a": [1e999], "b": 1e999}',
        b'{"a": ["\\ud800", "\xed\xa0\x80"]}',
        b'{"a": [123456789012345678901234567890]}',
        b"{}",
        b"[1, 2]",
        b" null ",
        b"3",
    ],
)
def test_they_are_what_json_reads(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(text)
    assert repr(plain(read_json_rows(path))) == repr(read_json(path))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        TEXT[:-1],
        TEXT + b"x",
        b'{"a": ["\xff"]}',
        b'{"a": ["\x01"]}',
        b'{"a": ["\\q"]}',
        b'{"a": [01]}',
        b'{"a": [1,]}',
        b'{"a": [tru]}',
        b'{"a": ["\n"]}',
        b'{"a": [' + b"9" * 5000 + b"]}",
        b'{"a": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    ],
)
def test_what_is_no_json_is_refused_in_the_same_words(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match="no json") as known:
        read_json(path)
    with pytest.raises(ValueError, match="no json") as error:
        read_json_rows(path)
    assert str(error.value) == str(known.value)


def test_whatever_bytes_change_both_read_the_same(tmp_path: Path) -> None:
    path, draw = tmp_path / "some.json", random.Random(1)
    read, refused = 0, 0
    for _ in range(400):
        path.write_bytes(broken_bytes(draw, TEXT))
        try:
            known = repr(read_json(path))
        except ValueError as error:
            known, refused = str(error), refused + 1
        try:
            found = repr(plain(read_json_rows(path)))
            read += 1
        except ValueError as error:
            found = str(error)
        assert found == known
    assert min(read, refused) > 20


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: no such file; fetch it"):
        read_json_rows(tmp_path / "none.json", "fetch it")


def test_rows_are_read_again_each_time_and_tell_whether_all_are_objects(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(b'{"all": [{"a": [1]}, {"b": 2}, {}], "some": [{}, 1], "none": []}')
    content = read_json_rows(path)
    rows = content["all"]
    assert (len(rows), rows[0], rows[-1], rows[:2]) == (3, {"a": [1]}, {}, [{"a": [1]}, {"b": 2}])
    assert rows[0] is not rows[0]
    assert {name: each.objects for name, each in content.items()} == {
        "all": True, "some": False, "none": True,
    }  # fmt: skip
