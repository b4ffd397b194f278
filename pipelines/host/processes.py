"""Processes: children that get our signals, signals that end us, one training per folder."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.host import places

# dvc, but for its hint to track dvc.lock with git, once per call: the road says it at its end
DVC = [
    sys.executable,
    "-c",
    "import logging, sys; logging.getLogger('dvc.repo.scm_context').setLevel('WARNING'); "
    "from dvc.cli import main; sys.exit(main(sys.argv[1:]))",
]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def run_lock(run_folder: Path, patience_s: float = 60.0) -> Iterator[None]:
    """Holds the run folder for this process; a killed training lets go of it by dying.

    Raises ValueError when another live training holds it for longer than `patience_s`.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    with held(run_folder / "lock", "trains this recipe on this data", patience_s):
        yield


@contextmanager
def held(path: Path, does: str, patience_s: float = math.inf) -> Iterator[None]:
    """Holds a lock file for this process, which lets go of it by dying at the latest.

    does: what whoever holds it does. Raises ValueError after `patience_s` of waiting in vain.
    """
    with path.open("a+") as file:
        _wait_for(file, path, does, patience_s)
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def _wait_for(file: Any, path: Path, does: str, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    told = False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text() or "a process"
            if time.monotonic() > end:
                raise refusal(
                    path.parent,
                    fault=f"{holder} {does}",
                    do="wait for it or end it, then try again",
                ) from error
            if not told:
                print(f"{path}: waiting for {holder}, which {does}", flush=True)
            told = True
            time.sleep(0.5)


def run_child(command: Sequence[str], cwd: Path | None = None) -> int:
    """The command's exit code, 128 + n if a signal ended it; signals to us are passed on."""
    return _run_child(command, cwd)[0]


def _run_child(command: Sequence[str], cwd: Path | None) -> tuple[int, int]:
    """(exit code, the signal to us that was passed on, 0 for none)."""
    ours = str(Path(sys.executable).parent)  # stages say `python`, also where no shell knows ours
    path = os.pathsep.join([ours, os.environ.get("PATH", os.defpath)])
    child = subprocess.Popen(command, cwd=cwd, env={**os.environ, "PATH": path})
    told = 0

    def pass_on(number: int, _: object) -> None:
        nonlocal told
        told = number
        with suppress(ProcessLookupError):
            child.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        while True:
            try:
                code = child.wait()
                return code if code >= 0 else 128 - code, told
            except KeyboardInterrupt:
                told = signal.SIGINT  # the child is in our process group and got it too
    finally:
        signal.signal(signal.SIGTERM, before)


def usable_cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def run_dvc(*arguments: str) -> int:
    """Exit code of DVC with these arguments, in the repository."""
    return run_child([*DVC, *arguments], places.REPOSITORY)


def run_dvc_or_end(*arguments: str) -> int:
    """As `run_dvc`, for one of several calls: a signal that DVC failed by raises Interrupted."""
    code, told = _run_child([*DVC, *arguments], places.REPOSITORY)
    if code and told:
        raise Interrupted(told)
    return code


def ask_dvc(*arguments: str) -> str | None:
    """What DVC prints, asked in the repository; None, and its words on stderr, where it fails."""
    done = subprocess.run(
        [*DVC, *arguments], cwd=places.REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr, flush=True)
        return None
    return done.stdout


class Interrupted(BaseException):
    """A signal that ends us; its number is the argument."""


def catch_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, _interrupt)


@contextmanager
def catching_signals() -> Iterator[None]:
    """As `catch_signals`, until the end: what caught them before does so again then."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    catch_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _: object) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # one is enough: nothing disturbs the way out
    if _Whole.depth:
        _Whole.waiting = number
        return
    raise Interrupted(number)


class _Whole:
    """How many `uninterrupted` are open, and the signal that came meanwhile."""

    depth = 0
    waiting = 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A signal that comes meanwhile is raised at the end: what is written inside is written whole.

    For the main thread, which signals interrupt.
    """
    _Whole.depth += 1
    try:
        yield
    finally:
        _Whole.depth -= 1
        if not _Whole.depth and _Whole.waiting:
            number, _Whole.waiting = _Whole.waiting, 0
            raise Interrupted(number)


def say_interrupted(name: str, number: int) -> int:
    """The exit code: a stage that a signal ended must never look done to DVC."""
    end = f"{name}: ended by {signal.Signals(number).name}"
    print(f"{end}; the same command goes on from the last checkpoint", file=sys.stderr, flush=True)
    return 128 + number
