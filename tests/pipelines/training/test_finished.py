"""A finished training is set aside for a new one, and is back where the new one never begins."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pipelines.training.finished import (
    ASIDE,
    FINISHED,
    Finished,
    aside,
    finished_of,
    set_aside,
    take_back,
)
from pipelines.training.job import TrainingSummary

NOBODY = (1 << 22) + 1  # no process has such a number


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose training is finished."""
    folder = tmp_path / "small-0123"
    folder.mkdir()
    summary = TrainingSummary([], 10, 1, 0, None, {})
    Finished(0.0, "code", summary).write(folder)
    (folder / "outbox.jsonl").write_text("{}\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("noted", [False, True], ids=["nothing", "what Ray noted"])
def test_a_refused_command_leaves_it_where_it_was(
    run: Path, noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match="4 workers"), aside(run, "code"):
        assert contents(run).keys() == {ASIDE}
        if noted:
            (run / "ray").mkdir()
            (run / "outbox.jsonl").touch()
        raise ValueError("4 workers on 2 CPUs")
    assert contents(run) == before and [path.name for path in run.parent.iterdir()] == [run.name]
    assert f"{run.name}.1: is {run.name} again, nothing was trained" in capsys.readouterr().out


def test_one_that_began_keeps_its_place(run: Path) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match="later"), aside(run, "code"):
        (run / "outbox.jsonl").write_text('{"kind": "open"}\n')
        raise ValueError("later")
    assert contents(run).pop("outbox.jsonl") == b'{"kind": "open"}\n'
    assert contents(run.with_name(f"{run.name}.1")) == before


@pytest.mark.parametrize("how", ["died", "lives", "began", "took the old one away", "damaged"])
def test_what_a_process_that_died_before_it_began_had_moved_is_taken_back(
    run: Path, how: str
) -> None:
    before = contents(run)
    old = set_aside(run, "another")
    assert old and contents(old) == before
    note = json.loads((run / ASIDE).read_text())
    assert note == {"old": old.name, "process": os.getpid()}
    if how != "lives":
        (run / ASIDE).write_text(json.dumps(note | {"process": NOBODY}))
    if how == "began":
        (run / "outbox.jsonl").write_text('{"kind": "open"}\n')
    if how == "took the old one away":
        shutil.rmtree(old)
    if how == "damaged":
        (run / ASIDE).write_text('{"old": "x"')
    take_back(run)
    assert (contents(run) == before) == (how == "died")
    assert old.exists() == (how in ("lives", "began", "damaged"))


def test_the_next_training_finds_what_the_one_that_died_had_moved(run: Path) -> None:
    set_aside(run, "another")
    (run / ASIDE).write_text(json.dumps({"old": f"{run.name}.1", "process": NOBODY}))
    assert set_aside(run, "another") == run.with_name(f"{run.name}.1"), "no second number"


def test_where_nothing_was_finished_nothing_is_moved(tmp_path: Path) -> None:
    with aside(tmp_path / "run", "code"):
        (tmp_path / "run").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"time": 0, "code": "a"}', '{"summary": 5}', "\0" * 9]
)
def test_a_damaged_note_is_none(run: Path, text: str) -> None:
    assert finished_of((run / FINISHED).read_text()) is not None
    assert finished_of(text) is None
