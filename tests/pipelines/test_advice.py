"""Commands that our own sentences tell to type: each exists, takes what is named, and is there
from the state that it is told in (a stage of DVC is not, before its recipe is in `run:`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser

from pipelines.host.command import command_files
from pipelines.host.completion import arguments_of
from tests.worlds.here import ROOT

COMMAND = re.compile(r"`((?:python -m pipelines\.|limber |make |dvc )[^`]+)`")
THERE = {  # stages told of by name -> why they are there
    "pipelines/host/places.py": "a trial's data set runs",
    "pipelines/import_weights.py": "the recipe was added to what runs",
    "pipelines/training/imported.py": "the recipe was added to what runs",
}


def told(text: str) -> Iterator[str]:
    """Commands between backticks in what a file says; what it fills in is `some`.

    Docstrings count as well: they are the commands' help.
    """
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = [v.value if isinstance(v, ast.Constant) else "some" for v in node.values]
            yield from COMMAND.findall("".join(map(str, values)))
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield from COMMAND.findall(str(node.value))


def fault(command: str) -> str:
    """What is wrong with a command that is told; "" where nothing is."""
    words = command.split()
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return "" if words[1] in targets else f"make has no {words[1]}"
    if words[0] == "dvc":
        try:
            get_main_parser().parse_args(words[1:])
        except DvcParserError:
            return "DVC takes no such words"
        return "a stage that may not be there" if words[1] == "repro" and words[2:] else ""
    name = words[1] if words[0] == "limber" else words[2].removeprefix("pipelines.")
    if name.strip("`").isupper() or name == "--completion":
        return ""
    files = command_files()
    if name not in files:
        return f"no command {name}"
    options = arguments_of(files[name])[0]
    named = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--"]
    return ", ".join(f"{name} has no {option}" for option in named if option not in options)


def files() -> list[Path]:
    wings = ("data", "models", "pipelines")
    found = [path for wing in wings for path in sorted((ROOT / wing).rglob("*.py"))]
    return [path for path in found if path.relative_to(ROOT).parts[:2] != ("data", "store")]


def test_every_command_that_is_told_of_is_one() -> None:
    wrong, seen = [], 0
    for path in files():
        place = path.relative_to(ROOT).as_posix()
        for command in told(path.read_text()):
            seen += 1
            excused = place in THERE and command.startswith("dvc repro")
            if (why := fault(command)) and not excused:
                wrong.append(f"{place}: `{command}`: {why}")
    assert not wrong, "\n".join(wrong)
    assert seen > 40


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('do = f"run `dvc repro train@{name}`"', "a stage that may not be there"),
        ('do = "run `dvc reproduce`"', "DVC takes no such words"),
        ('do = "run `make retro`"', "make has no retro"),
        ('do = "`python -m pipelines.trian x`"', "no command trian"),
        ('do = "`limber train x --agian`"', "train has no --agian"),
        ('do = "`limber train x --again` or " f"`make repro RECIPE={name}`"', ""),
    ],
)
def test_a_wrong_one_is_found(text: str, why: str) -> None:
    faults = [found for command in told(text) if (found := fault(command))]
    assert (" ".join(faults) or "").startswith(why)
    assert bool(faults) == bool(why)
