"""Trainings side by side: a process each, so many at a time, what they say in a file each.

In: names of recipes, how many at a time, where what they say goes. Out: why which of them failed.
A process is `python -m pipelines.train RECIPE`: it asks the cluster for its own resources, and
what finds no room there yet waits for it. One that fails stops no other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipelines.cluster.said import Said
from pipelines.host import places
from pipelines.host.command import STARTED
from pipelines.host.signals import Interrupted, catching_signals, uninterrupted

POLL_S = 0.3
END_S = 120.0  # for a training that was told to end: its job may stop, its checkpoint go up
WAITING, STARTING, RUNNING, DONE, FAILED = "waiting", "starting", "running", "done", "failed"


class Process(Protocol):
    """What is used of subprocess.Popen."""

    def poll(self) -> int | None: ...
    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...


Start = Callable[[str, Path], Process]  # (recipe, the file for what it says)


@dataclass(frozen=True)
class Row:
    """A training as it is now, for a table.

    epoch: `3/20`; number: of its last validation; left: time; note: why it failed or waits.
    """

    name: str
    state: str
    epoch: str = ""
    number: str = ""
    left: str = ""
    note: str = ""


@dataclass
class _Training:
    name: str
    said: Said
    process: Process | None = None
    code: int | None = None
    broken: str = ""  # why no process of it could be started


def start_training(recipe: str, log: Path) -> Process:
    """In a session of its own: a Ctrl-C reaches it through us alone, and once. It ends with us."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.train", recipe],
            cwd=places.REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", STARTED: str(os.getpid())},
        )


def train_side_by_side(
    recipes: Sequence[str],
    parallel: int,
    show: Callable[[Sequence[Row]], None],
    *,
    start: Start = start_training,
    log: Callable[[str], Path] = places.training_log,
    poll_s: float = POLL_S,
    end_s: float = END_S,
) -> dict[str, str]:
    """{recipe that failed: why}; returns when all have ended.

    recipes: each once, in the order in which they are begun; show: is given all rows, often.
    A signal is passed on to all that run; once they have ended (or were killed, `end_s` later),
    Interrupted is raised.
    """
    trainings = [_Training(name, Said(_fresh(log(name)))) for name in dict.fromkeys(recipes)]
    with catching_signals():
        try:
            while _go_on(trainings, parallel, start):
                show([_row(each) for each in trainings])
                time.sleep(poll_s)
        except BaseException as error:
            number = error.args[0] if isinstance(error, Interrupted) else signal.SIGTERM
            _end(trainings, int(number), poll_s, end_s)
            show([_row(each) for each in trainings])
            raise
    show([_row(each) for each in trainings])
    return {each.name: _why(each) for each in trainings if _state(each) == FAILED}


def _fresh(log: Path) -> Path:
    """The file's place, made free: what a training said before stays beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file():
        log.replace(log.with_name(f"{log.name}.before"))
    return log


def _go_on(trainings: Sequence[_Training], parallel: int, start: Start) -> bool:
    """Looks after all once and begins what has its turn; False when all have ended."""
    for each in _alive(trainings):
        assert each.process
        each.code = each.process.poll()
        each.said.read_on()
    for each in trainings:
        if _state(each) == WAITING and len(_alive(trainings)) < parallel:
            try:
                with uninterrupted():  # none is begun that nobody would end
                    each.process = start(each.name, each.said.path)
            except OSError as error:  # no memory, no more processes: the others go on
                each.broken = f"could not be started: {error}"
    return any(_state(each) not in (DONE, FAILED) for each in trainings)


def _alive(trainings: Sequence[_Training]) -> list[_Training]:
    return [each for each in trainings if each.process and each.code is None]


def _end(trainings: Sequence[_Training], number: int, poll_s: float, end_s: float) -> None:
    """Passes the signal on and waits; what does not end by it is killed."""
    for each in _alive(trainings):
        with suppress(ProcessLookupError):
            assert each.process
            each.process.send_signal(number)
    end = time.monotonic() + end_s
    while _alive(trainings):
        for each in _alive(trainings):
            assert each.process
            each.code = each.process.poll()
            if each.code is None and time.monotonic() > end:
                each.process.kill()
        time.sleep(poll_s)


def _state(each: _Training) -> str:
    if each.broken:
        return FAILED
    if not each.process:
        return WAITING
    if each.code is None:
        return RUNNING if each.said.progress else STARTING
    return FAILED if each.code else DONE


def _row(each: _Training) -> Row:
    state, progress = _state(each), each.said.progress
    return Row(
        each.name,
        state,
        f"{progress.epoch}/{progress.epochs}" if progress else "",
        (state == DONE and each.said.best) or each.said.number,
        each.said.left if state == RUNNING else "",
        _why(each) if state == FAILED else each.said.room if state == STARTING else "",
    )


def _why(each: _Training) -> str:
    """In its own words where it found some."""
    if each.broken:
        return each.broken
    code = each.code or 0
    if code < 0:
        by = signal.Signals(-code).name
        memory = ", as where memory runs out" if by == "SIGKILL" else ""
        return f"ended by {by}{memory}"
    said = each.said.error.removeprefix(f"{each.name}: ")  # its name stands beside it
    return said or f"exit code {code}; {each.said.last or 'it said nothing'}"
