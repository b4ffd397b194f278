"""What TAB offers after `limber`: commands, recipes, options; what a shell reads for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.host.command import commands
from pipelines.host.completion import answer, offered, switch_on

PLAYED = '''"""Plays."""
def main(arguments):
    arguments.add_argument("recipes", nargs="*")
    arguments.add_argument("--count", "-c", type=int, help="how many")
    arguments.add_argument("-v", "--verbose")
'''
KEPT = '''"""Keeps."""
def main(arguments):
    below = arguments.add_subparsers()
    below.add_parser("add").add_argument("--format")
    below.add_parser("list")
'''


@pytest.fixture
def roof(tmp_path: Path) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "play.py").write_text(PLAYED)
    (tmp_path / "pipelines" / "keep.py").write_text(KEPT)
    (tmp_path / "pipelines" / "brew.py").write_text(PLAYED.replace("recipes", "dataset"))
    (tmp_path / "recipes").mkdir()
    for name in ("one_a", "one_b", "two"):
        (tmp_path / "recipes" / f"{name}.yaml").touch()
    entries = "run:\n  recipes: {}\ndatasets:\n  coco:\n    source: null\n\n  # own\n  mine: {}\n"
    (tmp_path / "params.yaml").write_text(f"{entries}cluster:\n  profile: auto\n")
    return tmp_path / "pipelines"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], ["brew", "keep", "play"]),
        (["p"], ["play"]),
        (["play", ""], ["one_a", "one_b", "two"]),
        (["play", "one_a", "t"], ["two"]),
        (["play", "--"], ["--count", "--help", "--verbose"]),
        (["keep", ""], ["add", "list"]),
        (["keep", "add", "o"], []),
        (["keep", "list", ""], ["coco", "mine"]),
        (["brew", "m"], ["mine"]),
        (["keep", "add", "--f"], ["--format"]),
        (["other", ""], []),
    ],
)
def test_the_next_word(roof: Path, words: list[str], expected: list[str]) -> None:
    assert offered(words, roof) == expected


def test_a_line_is_read_up_to_the_cursor() -> None:
    assert answer({"COMP_LINE": "limber tra"}) == ["tracking", "train"]
    assert answer({"COMP_LINE": "limber train demo", "COMP_POINT": "10"}) == ["tracking", "train"]
    assert answer({"COMP_LINE": "limber "}) == list(dict(commands()))
    assert "demo_hrnet" in answer({"COMP_LINE": "limber train "})
    assert answer({"COMP_LINE": "limber promote --ro"}) == ["--rollback"]
    assert answer({"COMP_LINE": "limber train 'demo"}) == [], "a quotation that is open"


def test_another_shell_is_refused() -> None:
    assert switch_on(["zsh"]).splitlines()[-1] == switch_on(["bash"])
    with pytest.raises(ValueError, match="given 'fish', accepted: bash, zsh"):
        switch_on(["fish"])
