"""A finished training is set aside for a new one, and is back where the new one never begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.training.finished import FINISHED, Finished, aside, finished_of
from pipelines.training.job import TrainingSummary


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
        assert not run.exists()
        if noted:
            (run / "ray").mkdir(parents=True)
            (run / "outbox.jsonl").touch()
        raise ValueError("4 workers on 2 CPUs")
    assert contents(run) == before and [path.name for path in run.parent.iterdir()] == [run.name]
    assert f"{run.name}.1: is {run.name} again, nothing was trained" in capsys.readouterr().out


def test_one_that_began_keeps_its_place(run: Path) -> None:
    before = contents(run)
    with pytest.raises(ValueError, match="later"), aside(run, "code"):
        run.mkdir()
        (run / "outbox.jsonl").write_text('{"kind": "open"}\n')
        raise ValueError("later")
    assert contents(run) == {"outbox.jsonl": b'{"kind": "open"}\n'}
    assert contents(run.with_name(f"{run.name}.1")) == before


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
