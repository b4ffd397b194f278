"""Signals that end us are raised until they are heard of, and wait for what is being written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.host import signals
from pipelines.host.signals import (
    SIGNALS,
    Interrupted,
    catch_signals,
    catching_signals,
    hear_signal,
    say_interrupted,
    uninterrupted,
)
from tests.chaos.fault import TOKEN, processes_of
from tests.worlds.here import ROOT
from tests.worlds.waiting import wait_for

pytestmark = pytest.mark.usefixtures("signals_as_before")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts_once(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    catch_signals()
    try:
        os.kill(os.getpid(), number)
    except Interrupted as interrupted:
        assert interrupted.args == (number,)
        for each in SIGNALS:  # nothing disturbs the way out
            os.kill(os.getpid(), each)
        code = say_interrupted("small", number)
    assert code == 128 + number
    for each in SIGNALS:
        os.kill(os.getpid(), each)
    assert f"small: ended by {signal.Signals(number).name}" in capsys.readouterr().err


class Dying:
    """Whose end swallows a signal that comes then."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("again_s", [0.01, 1e6], ids=["by itself", "by another signal"])
def test_what_is_swallowed_is_raised_again(again_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", again_s)
    catch_signals()
    lives = Dying()
    with pytest.raises(Interrupted) as interrupted:
        del lives
        if again_s > 1:
            os.kill(os.getpid(), signal.SIGINT)
        try:
            threading.Event().wait(60)
        finally:
            hear_signal()
    assert interrupted.value.args == (signal.SIGTERM,), "the first that came"


def test_a_signal_waits_until_what_is_written_is_whole() -> None:
    catch_signals()
    written = []
    with pytest.raises(Interrupted) as interrupted, uninterrupted():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            written.append("first")
        written.append("second")
    assert written == ["first", "second"]
    assert interrupted.value.args == (signal.SIGTERM,)
    with uninterrupted():  # it is raised once
        pass


def test_signals_are_caught_for_a_while() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(Interrupted), catching_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_is_raised_whatever_was_heard_of_before() -> None:
    hear_signal()
    with pytest.raises(Interrupted), catching_signals():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with catching_signals():
        os.kill(os.getpid(), signal.SIGHUP)


def test_who_may_not_be_seen_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others' processes, on a machine that hides them (`hidepid`)."""
    monkeypatch.setattr(os, "getppid", lambda: 78)
    seen = {78: ("dvc", "S 77")}

    def stat(process: int) -> tuple[str, str]:
        if process not in seen:
            raise ProcessLookupError(process)
        return seen[process]

    monkeypatch.setattr(signals, "_stat", stat)
    assert signals._starter(None) == signals._starter(78) == 78
    seen.clear()
    with pytest.raises(ProcessLookupError):
        signals._starter(None)


@pytest.mark.parametrize(
    ("above", "program", "session", "starter"),
    [
        ({1: "tini"}, "/sbin/tini", 7, 0),  # `docker run --init`: of our session, but no DVC
        ({9: "systemd", 1: "systemd"}, "/usr/lib/systemd/systemd", 7, 0),
        ({1: "dvc"}, "/usr/bin/python3.11", 7, 1),  # `docker run ... dvc repro`
        ({8: "sh", 1: "repro.py"}, "/usr/bin/python3.11", 7, 1),
        ({1: "dvc"}, "/usr/lib/dvc/dvc", 7, 1),
        ({1: "init"}, "/usr/bin/python3.11", 6, 0),
        ({1: "dvc"}, None, 7, 1),  # a program that may not be looked at
        ({1: "init"}, None, 6, 0),
        ({8: "sh", 1: "bash"}, "/bin/bash", 7, 0),
        ({8: "sh", 5: "dvc", 1: "tini"}, "/sbin/tini", 7, 5),
    ],
)
def test_the_first_process_is_told_from_who_started_us(
    above: dict[int, str], program: str | None, session: int, starter: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def readlink(_: Path) -> Path:
        if program is None:
            raise PermissionError
        return Path(program)

    monkeypatch.setattr(signals, "_above", above.items)
    monkeypatch.setattr(Path, "readlink", readlink)
    monkeypatch.setattr(os, "getsid", lambda process: session if process else 7)
    if starter:
        assert signals._starter(None) == starter
    else:
        with pytest.raises(ProcessLookupError):
            signals._starter(None)


STARTED = """
import os, subprocess, sys, time
code = "import time; from pathlib import Path; from pipelines.host import signals; "
code += "print('begun', flush=True); go = Path('{go}')\\n"
code += "while not go.exists(): time.sleep(0.01)\\n"
code += "signals.{how}; print('there', flush=True); time.sleep(1e6)"
code = code.replace("STARTER", str(os.getpid()))
subprocess.Popen({shell} + [sys.executable, "-c", code], start_new_session={alone})
time.sleep(1e6)
"""
THROUGH = ["bash", "-c", '"$@"; exit $?', "bash"]  # a shell that waits for its command
WATCHES: dict[str, tuple[str, list[str], bool]] = {  # call, shell between, session of its own
    "parent": ("end_with_parent(STARTER)", [], False),
    "starter": ("end_with_starter()", [], False),
    "starter behind a shell": ("end_with_starter()", THROUGH, False),
    "told": ("end_with_starter(STARTER)", [], True),
    "told behind a shell": ("end_with_starter(STARTER)", THROUGH, False),
}


@pytest.mark.contract
@pytest.mark.parametrize("early", [False, True], ids=["later", "before it was watched"])
@pytest.mark.parametrize("watch", WATCHES)
def test_who_is_to_end_with_another_does(watch: str, early: bool, tmp_path: Path) -> None:
    token, go, (how, shell, alone) = tmp_path.name, tmp_path / "go", WATCHES[watch]
    signals._prctl(signals.SET_CHILD_SUBREAPER, 0)  # who was left is the first process's, not ours
    script = STARTED.format(how=how, shell=shell, alone=alone, go=go)
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {TOKEN: token},
        start_new_session=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    if not early:
        go.touch()
        assert parent.stdout.readline() == "there\n", "whoever started it is there"
    parent.kill()
    parent.wait()
    go.touch()
    wait_for(lambda: not processes_of(token), "the child's end")
    parent.stdout.close()
