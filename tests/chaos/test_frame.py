"""The frame of the table itself: what counts as lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import __main__ as table_of_all
from tests.chaos import fault as frame
from tests.chaos.__main__ import in_own_process, main, parse, parts_of, table
from tests.chaos.fault import Fault, Outcome, Tally, Trial, shared_folder, struck, try_fault
from tests.chaos.menu import FAULTS, MINUTES, named
from tests.worlds.here import ROOT
from tests.worlds.started import still_there

pytestmark = pytest.mark.contract


def row(trial: Trial) -> Fault:
    return Fault("a-row", "a thing breaks", "it is said", trial, trials=3)


def test_each_answer_is_counted_and_a_seed_tries_the_same(tmp_path: Path) -> None:
    drawn: list[float] = []

    def trial(draw: random.Random, folder: Path) -> Outcome:
        assert list(folder.iterdir()) == [] and os.environ["LIMBER_HOME"]
        drawn.append(draw.random())
        struck("node")
        struck("rank", 2)
        return "recovered" if len(drawn) % 3 else "refused"

    tally = try_fault(row(trial), range(3), 1, tmp_path / "a")
    try_fault(row(trial), range(3), 1, tmp_path / "b")
    assert (tally.tried, tally.recovered, tally.refused, tally.lost) == (3, 2, 1, {})
    assert drawn[:3] == drawn[3:] and len(set(drawn)) == 3
    assert table([(row(trial), tally)]).splitlines()[-2:] == [
        "| a thing breaks | it is said | node 3, rank 6 | 3 | 2 | 1 | 0 |",
        "| all | | | 3 | 2 | 1 | 0 |",
    ]


def leaves_a_folder(draw: random.Random, folder: Path) -> Outcome:
    tempfile.mkdtemp(prefix="forgotten-")
    return "recovered"


def leaves_a_process(draw: random.Random, folder: Path) -> Outcome:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return "recovered"


def breaks(draw: random.Random, folder: Path) -> Outcome:
    raise OSError("a raw error")


@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (leaves_a_folder, "left in the temporary directory: ['forgotten-"),
        (leaves_a_process, "time.sleep(600)"),
        (breaks, "OSError: a raw error"),
        (lambda draw, folder: "maybe", "a trial answered 'maybe'"),
    ],
    ids=["folder", "process", "error", "answer"],
)
def test_what_is_lost(
    trial: Trial, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "GONE_SECONDS", 0.5)
    tally = try_fault(row(trial), range(1), 0, tmp_path)
    assert (tally.tried, len(tally.lost)) == (1, 1)
    assert told in tally.lost[0]


def test_a_shared_folder_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    fill: Callable[[Path], None] = made.append

    def trial(draw: random.Random, folder: Path) -> Outcome:
        assert shared_folder("world", fill).is_dir()
        return "recovered"

    assert try_fault(row(trial), range(3), 0, tmp_path).recovered == 3
    assert len(made) == 1


def test_what_is_told_to_be_long_is_a_row() -> None:
    assert MINUTES.keys() <= {fault.name for fault in FAULTS}


def test_a_long_row_is_shared_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    short, given = row(breaks), parse([])
    assert parts_of(short, given) == [range(3)]
    monkeypatch.setitem(MINUTES, "a-row", 55)
    assert parts_of(short, given) == [range(1), range(1, 3)]
    assert parts_of(short, parse(["--trials", "1"])) == [range(1)]
    one, other = Tally(1, 0, {0: "a"}, 2.0, {"dvc": 1}), Tally(0, 2, {4: "b"}, 3.0, {"dvc": 2})
    assert one + other == Tally(1, 2, {0: "a", 4: "b"}, 5.0, {"dvc": 3})


def test_a_table_that_was_cut_off_goes_on_with_what_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (known,), began = named(["webhooks"]), list[str]()
    monkeypatch.setattr(table_of_all, "commit", lambda: "a" * 40)

    def runs(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        began.append(command[command.index("--cases") + 1])
        told = {"recovered": 2, "refused": 0, "lost": {"1": "why"}, "seconds": 1.0, "moments": {}}
        Path(command[-1]).write_text(json.dumps(told))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(table_of_all.subprocess, "run", runs)
    given, anew = parse(["--go-on", "--seed", "3"]), parse(["--seed", "3"])
    first = in_own_process(known, range(3), given, tmp_path)
    assert first == Tally(2, 0, {1: "why"}, 1.0) and began == ["0"]
    assert in_own_process(known, range(3), given, tmp_path) == first and began == ["0"]
    for others in (
        lambda: in_own_process(known, range(3), anew, tmp_path),
        lambda: in_own_process(known, range(4), given, tmp_path),
        lambda: in_own_process(known, range(4), parse(["--go-on", "--seed", "4"]), tmp_path),
        lambda: (tmp_path / "webhooks-0.json").write_text("{") and in_own_process(
            known, range(4), given, tmp_path),
        lambda: monkeypatch.setattr(table_of_all, "commit", lambda: "b" * 40) or in_own_process(
            known, range(4), given, tmp_path),
        lambda: monkeypatch.setattr(table_of_all, "commit", str) or in_own_process(
            known, range(4), given, tmp_path),
        lambda: in_own_process(known, range(4), given, tmp_path),
    ):  # fmt: skip
        before = len(began)
        others()
        assert len(began) == before + 1


WAITS = """
import os, subprocess, sys, pathlib
from tests.chaos import __main__ as all
from tests.chaos.fault import Fault
def trial(draw, folder):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("begun", os.environ["TMPDIR"], flush=True)
    __import__("time").sleep(600)
all.one_row(Fault("a-row", "", "", trial, 1), all.parse(["--case", "0"]))
"""


def test_a_row_that_is_ended_leaves_nothing() -> None:
    row = subprocess.Popen([sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE,
                           text=True)  # fmt: skip
    assert row.stdout is not None
    folder = Path(row.stdout.readline().split()[1])
    assert folder.is_dir()
    row.terminate()
    assert row.wait(60) == 128 + signal.SIGTERM
    assert not folder.exists()
    assert not still_there("TMPDIR", str(folder))


def test_a_word_that_no_row_holds() -> None:
    with pytest.raises(ValueError, match="no fault"):
        main(["no-such-row"])


def test_a_row_that_mounts_is_left_out_where_nobody_may(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(draw: random.Random, folder: Path) -> Outcome:
        raise AssertionError("it cannot be tried")

    one = Fault("a-row", "", "", never, 1, mounts=True)
    monkeypatch.setattr(table_of_all, "named", lambda _: [one])
    monkeypatch.setattr(frame, "may_mount", lambda: False)
    assert main(["--case", "0"]) == 0
    assert capsys.readouterr().out == "a-row: left out, this user may not mount\n"
    assert replace(one, mounts=False).left_out() == ""


def test_the_short_draw_may_try_less() -> None:
    def whole(draw: random.Random, folder: Path) -> Outcome:
        return "recovered"

    def little(draw: random.Random, folder: Path) -> Outcome:
        return "refused"

    one = Fault("a-row", "", "", whole, 9, drawn=little)
    assert (one.short().trial, one.trial) == (little, whole)
    assert replace(one, drawn=None).short().trial is whole
