"""Yaml changed in place: comments and order stay, and an error leaves the file as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from data.ground.yaml_text import read_yaml
from pipelines.recipe.yaml_edits import edited, on_one_line, set_numbers

TEXT = """# mine
first: 1  # one
sigmas: [  # guessed
  0.05, 0.05,
]
# between
last: [a, b]  # the end
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT)
    return path


def test_an_edit_keeps_what_it_does_not_touch(path: Path) -> None:
    with edited(path) as content:
        content["first"] = None
        content["new"] = on_one_line({"b": 1, "a": [2]})
    text = path.read_text()
    assert "# mine\nfirst: null # one\n" in text.replace("  #", " #")
    assert text.endswith("new: {b: 1, a: [2]}\n") and "# between" in text


def test_an_edit_that_fails_leaves_the_file(path: Path) -> None:
    with pytest.raises(RuntimeError), edited(path) as content:
        content["first"] = 2
        raise RuntimeError
    assert path.read_text() == TEXT


@pytest.mark.parametrize("key", ["sigmas", "last"])
def test_numbers_are_replaced_and_all_else_stays_to_the_letter(path: Path, key: str) -> None:
    set_numbers(path, key, [0.1, 0.25, 3], "measured")
    before, _, after = TEXT.partition(f"{key}: [")
    text = path.read_text()
    assert text == f"{before}{key}: [  # measured\n  0.1,\n  0.25,\n  3,\n]\n" + (
        after[after.index("# between") :] if key == "sigmas" else ""
    )
    assert read_yaml(path)[key] == [0.1, 0.25, 3]


@pytest.mark.parametrize("key", ["none", "first: 1"])
def test_a_key_that_is_not_there_is_refused(path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="write it by hand"):
        set_numbers(path, key, [1.0], "x")
    assert path.read_text() == TEXT


def add(path: Path) -> None:
    with edited(path) as content:
        content["last"] = [1.0]


@pytest.mark.parametrize("write", [add, lambda path: set_numbers(path, "last", [1.0], "x")])
def test_a_second_writer_of_one_file_waits_for_the_first(
    path: Path, write: Callable[[Path], None]
) -> None:
    """It reads when that has written: neither's change is lost."""
    second = threading.Thread(target=write, args=(path,))
    with edited(path) as content:
        second.start()
        second.join(1.0)  # in vain
        assert path.read_text() == TEXT
        content["new"] = 1
    second.join()
    assert read_yaml(path)["new"] == 1 and read_yaml(path)["last"] == [1.0]
    assert [each.name for each in path.parent.iterdir()] == [path.name]
