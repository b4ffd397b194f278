"""What an error says is told without what is secret: of a library's error nobody knows what it
repeats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import train
from pipelines.depot import mirror
from pipelines.host.progress import Tally
from pipelines.tracking import outbox
from pipelines.tracking.__main__ import open_page
from pipelines.training.job import TrainingStopped
from tests.worlds.here import ROOT

HIDES = {"masked", "first_line", "refusal"}  # what leaves secrets out


def bare(node: ast.AST, name: str) -> bool:
    """Whether a name stands there outside of what leaves secrets out."""
    if isinstance(node, ast.Call) and called(node) in HIDES:
        return False
    if isinstance(node, ast.Attribute):  # a code, a number
        return False
    if isinstance(node, ast.Name):
        return node.id == name
    return any(bare(each, name) for each in ast.iter_child_nodes(node))


def called(node: ast.Call) -> str:
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def told_bare(text: str) -> Iterator[int]:
    """Lines in which the error of an `except ... as NAME` is printed as it is."""
    for handler in ast.walk(ast.parse(text)):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        prints = [c for c in ast.walk(handler) if isinstance(c, ast.Call) and called(c) == "print"]
        for each in prints:
            if any(bare(argument, handler.name) for argument in each.args):
                yield each.lineno


def files() -> list[Path]:
    return sorted(
        p for each in ("pipelines", "data", "deploy") for p in (ROOT / each).rglob("*.py")
    )


def test_an_error_that_is_printed_is_masked() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files()
        for line in told_bare(path.read_text())
    ]
    assert not found, found


@pytest.mark.parametrize(
    ("line", "count"),
    [("print(f'error: {e}')", 1), ("print(masked(f'error: {e}'))", 0), ("print(e.code)", 0)],
)
def test_the_rule_is_one(line: str, count: int) -> None:
    assert len(list(told_bare(f"try:\n    f()\nexcept OSError as e:\n    {line}\n"))) == count


def test_what_has_a_voice_of_its_own_leaves_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://host/w.pt?X-Amz-Signature=hunter2"
    outbox._say(f"refused: {address}")
    mirror._say(f"away: {address}")
    Tally(address, 2, "MiB").show()
    said = capsys.readouterr().err
    assert said.count("https://host/w.pt?X-Amz-Signature=***") == 3 and "hunter2" not in said


def test_a_training_that_is_stopped_and_a_page_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise TrainingStopped("no answer from https://ann:hunter2@host/x")

    assert train.main(["demo_hrnet", "--local"], stopped) == 1
    open_page("http://ann:hunter2@tracker:5000", 5000)
    said = capsys.readouterr()
    assert said.err == "error: no answer from https://ann:***@host/x\n"
    assert said.out == "the MLflow page is http://ann:***@tracker:5000\n"
