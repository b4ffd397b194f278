"""One local Ray head for as long as a command needs it, started only when a training asks.

    python -m pipelines.cluster -- COMMAND...

The head gets free ports, a folder and a token of its own. A guard in its own session ends exactly
that head when its owner (this command, or the training that started it) ends or is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from data.ground.refusal import refusal
from pipelines.cluster.addresses import joined_address
from pipelines.cluster.guard import (
    ALONE,
    QUIET,
    forget,
    guard_id_of,
    lock_of,
    note_of,
    remove,
    text_of,
)
from pipelines.host.command import STARTED_BY
from pipelines.host.places import REPOSITORY
from pipelines.host.processes import held
from pipelines.host.sessions import is_alive, kill_session

FOLDER = "LIMBER_RAY_FOLDER"  # where the owner keeps its place for a head
START_S, END_S = 300.0, 20.0
LONG_S = 30.0  # a start that takes longer is told


@contextmanager
def one_head() -> Iterator[None]:
    """All trainings started inside share one head, which the first of them starts."""
    if FOLDER in os.environ:
        yield
        return
    with _place() as folder:
        os.environ[FOLDER] = str(folder)
        try:
            yield
        finally:
            del os.environ[FOLDER]


@contextmanager
def ray_address(wanted: str | None) -> Iterator[str]:
    """Where Ray is: `wanted`, $RAY_ADDRESS, the head of `one_head`, or a head just for this.

    Sets what Ray reads from the environment, so it must come before `import ray`.
    """
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    if address := joined_address(wanted):
        yield address
        return
    is_owner = FOLDER not in os.environ
    with one_head():
        head = _find_head(folder := Path(os.environ[FOLDER]))
        told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head["token"], **ALONE}
        before = {key: os.environ.get(key) for key in told}
        os.environ.update(told)
        try:
            with noticing_its_end(folder, partial(end_without_head, folder, is_owner)):
                yield head["address"]
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


def end_without_head(folder: Path, is_owner: bool, said: str) -> NoReturn:
    """Ray itself would wait for a minute, then end the process with words of its own; or at once,
    when the last of its head is gone: so another process removes the place."""
    fault = "the local Ray head ended; the same command goes on from the last checkpoint"
    print(f"error: {fault}; Ray said: {said}", file=sys.stderr, flush=True)
    if is_owner:
        command = [sys.executable, "-m", "pipelines.cluster", "--clear", str(folder)]
        subprocess.run(
            command, cwd=REPOSITORY, env=_own_shell(), check=False, start_new_session=True
        )
    os._exit(1)


@contextmanager
def noticing_its_end(folder: Path, tell: Callable[[str], object]) -> Iterator[None]:
    """Where the head of that place ends before us, and so its guard, or its guard, and so the head,
    `tell` is given what Ray said last, in a thread."""
    over, guardian = threading.Event(), _guardian(folder)

    def wait() -> None:
        try:
            ends = os.pidfd_open(guardian or 0)
        except ProcessLookupError:
            pass
        except OSError:  # a kernel that knows no such files
            return
        else:
            select.select([ends], [], [])
            os.close(ends)
        if not over.is_set():
            tell(_said(folder, 600))

    threading.Thread(target=wait, name="head", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for a head; letting go of its lock is what ends the head."""
    root = tempfile.gettempdir()
    # Ray puts sockets deep into it, and their paths may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="limber-", dir=root if len(root) < 30 else "/tmp"))
    try:
        with lock_of(folder).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        clear(folder)


def clear(folder: Path) -> None:
    """The end of a place for a head, once that has ended; one whose guard was killed is ended."""
    end = time.monotonic() + END_S
    while (guardian := _guardian(folder)) and is_alive(guardian) and time.monotonic() < end:
        time.sleep(0.05)
    if guardian:
        kill_session(guardian)
    remove(folder)


def _find_head(folder: Path, start: Callable[[Path], None] | None = None) -> dict[str, Any]:
    """Its note; the first who asks starts it, by `start` or as it is, while others wait. One whose
    guard was killed is gone with it."""
    with held(folder / "start.lock", "starts the local Ray head"):  # trainings may run side by side
        guardian = _guardian(folder)
        if guardian and not is_alive(guardian):
            kill_session(guardian)
            forget(folder)
            remove(folder / "ray")
        if not note_of(folder).is_file():
            (start or _start)(folder)
        note: dict[str, Any] = json.loads(note_of(folder).read_text())
    return note


def _guardian(folder: Path) -> int | None:
    """The process that guards a head there, from its start on; None where none does."""
    try:
        return int(guard_id_of(folder).read_text())
    except FileNotFoundError:
        return None


def _start(folder: Path) -> None:
    """Starts a guard, which starts the head. Raises ValueError with Ray's words if it cannot."""
    print("starting a local Ray head", flush=True)
    with (folder / "head.log").open("w") as log:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cluster", "--guard", str(folder)],
            cwd=REPOSITORY,
            env=_own_shell(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    guard_id_of(folder).write_text(str(guardian.pid))
    began, told = time.monotonic(), False
    while not note_of(folder).is_file():
        waited = time.monotonic() - began
        if guardian.poll() is not None or waited > START_S:
            how = "did not start" if waited <= START_S else f"did not start within {START_S:g} s"
            raise refusal("the local Ray head", fault=f"{how}; Ray says:\n{_said(folder)}")
        if waited > LONG_S and not told:
            print(f"not started after {LONG_S:g} s, waiting up to {START_S:g} s", flush=True)
            told = True
        time.sleep(0.05)


def _own_shell() -> dict[str, str]:
    """Variables of what does not end with us."""
    return {name: value for name, value in os.environ.items() if name not in STARTED_BY}


def _said(folder: Path, length: int = 2000) -> str:
    """The end of what the guard and every `ray start` said so far."""
    logs = [folder / "head.log", *sorted(folder.glob("start_*.log"))]
    return "\n".join(filter(None, map(text_of, logs)))[-length:] or "nothing"
