"""Json as plain data: what is none, or no object, is refused with its file and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.ground.json_text import CUT, read_json, read_object

DO = "run it first"


@pytest.mark.parametrize("content", [b"", b'{"name": "so', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    for read in (read_json, read_object):
        with pytest.raises(ValueError, match=rf"some\.json: truncated or no json \(.*\); {DO}$"):
            read(path, cut=DO)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b'["name"]', "list"), (b"3", "int"), (b"null", "NoneType"), (b'"name"', "str")],
)
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    told = rf"some\.json: holds {kind}, accepted: a json object; "
    with pytest.raises(ValueError, match=rf"{told}{DO}$"):
        read_object(path, cut=DO)
    with pytest.raises(ValueError, match=rf"{told}{CUT.replace('?', '.')}$"):
        read_object(path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_object(path) == {"a": 1}


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"none\.json: no such file; {DO}$"):
        read_object(tmp_path / "none.json", DO)
    with pytest.raises(ValueError, match=r"cannot be read \(Is a directory\); check it$"):
        read_object(tmp_path)
