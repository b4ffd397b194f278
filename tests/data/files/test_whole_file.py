"""Files are whole or absent, also where several write one place."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from data.files.whole_file import whole_file, write_text_whole

OURS, THEIRS = b"A" * 100_000, b"B" * 9


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("name", ["w.pt", "\N{SNOWMAN}" * 76 + ".pt"])
def test_two_writers_of_one_place_write_each_a_whole_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with whole_file(path) as theirs:
        with whole_file(path) as ours:
            ours.write(OURS)
            theirs.write(THEIRS[:4])
            theirs.flush()
        assert path.read_bytes() == OURS
        theirs.write(THEIRS[4:])
    assert path.read_bytes() == THEIRS and names(tmp_path) == [name]


def test_who_begins_first_and_ends_first_is_whole_too(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    with ExitStack() as first, ExitStack() as second:
        ours = first.enter_context(whole_file(path))
        ours.write(OURS)
        theirs = second.enter_context(whole_file(path))
        first.close()
        assert path.read_bytes() == OURS
        theirs.write(THEIRS)
        with whole_file(path) as third:
            third.write(b"C")
        assert path.read_bytes() == b"C"
    assert path.read_bytes() == THEIRS and names(tmp_path) == ["w.pt"]


@pytest.mark.parametrize("alone", [True, False])
def test_one_that_fails_leaves_the_file_and_the_other_writer(tmp_path: Path, alone: bool) -> None:
    path = tmp_path / "w.pt"
    write_text_whole(path, "before")
    with ExitStack() as other:
        if not alone:
            other.enter_context(whole_file(path)).write(b"other")
        with pytest.raises(RuntimeError), whole_file(path) as file:
            file.write(OURS)
            raise RuntimeError
        assert path.read_text() == "before"
    assert path.read_text() == ("before" if alone else "other") and names(tmp_path) == ["w.pt"]


def test_where_no_file_can_be_held_two_writers_are_apart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def knows_no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", knows_no_locks)
    path = tmp_path / "w.pt"
    with whole_file(path) as theirs:
        theirs.write(THEIRS)
        write_text_whole(path, "ours")
        assert path.read_text() == "ours"
    assert path.read_bytes() == THEIRS and names(tmp_path) == ["w.pt"]


def test_what_a_killed_writer_left_is_nothing_of_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    child = os.fork()
    if not child:
        try:
            with whole_file(path) as file:
                file.write(OURS)
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert names(tmp_path) == ["w.pt.part"]
    write_text_whole(path, "next")
    assert path.read_text() == "next" and names(tmp_path) == ["w.pt"]


def test_a_file_is_open_to_those_that_files_are_open_to(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text_whole(tmp_path / "whole", "")
    modes = {(tmp_path / name).stat().st_mode for name in ("plain", "whole")}
    assert len(modes) == 1
