"""Processes: children that get our signals, one training per folder."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from data.ground.refusal import refusal
from pipelines.host.signals import handled
from pipelines.host.writable import writable

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of some network disks
END_S = 60.0  # for what was told to end


@contextmanager
def run_lock(run_folder: Path, patience_s: float = 60.0) -> Iterator[None]:
    """Holds the run folder for this process; a killed training lets go of it by dying.

    Raises ValueError when another live training holds it for longer than `patience_s`, and where
    the folder cannot be written.
    """
    with writable(run_folder):
        run_folder.mkdir(parents=True, exist_ok=True)
    with held(run_folder / "lock", "trains this recipe on this data", patience_s):
        yield


@contextmanager
def held(path: Path, does: str, patience_s: float = math.inf) -> Iterator[TextIO]:
    """Holds a lock file for this process, which lets go of it by dying at the latest; the file.

    does: what whoever holds it does. Raises ValueError after `patience_s` of waiting in vain, and
    where the file cannot be written.
    """
    with writable(path):
        file = path.open("a+")
    with file:
        _wait_for(file, path, does, patience_s)
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield file


def _wait_for(file: Any, path: Path, does: str, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    told = False
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read() or "a process"
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
        except OSError as error:
            if error.errno in NO_LOCKS:
                return None
            raise


def run_child(command: Sequence[str], cwd: Path | None = None) -> int:
    """The command's exit code, 128 + n if a signal ended it; signals to us are passed on."""
    return run_told(command, cwd, _tell_child)[0]


def run_told(
    command: Sequence[str], cwd: Path | None, tell: Callable[[subprocess.Popen[bytes], int], None]
) -> tuple[int, int]:
    """(exit code, the signal to us that was passed on by `tell`, 0 for none)."""
    ours = str(Path(sys.executable).parent)  # stages say `python`, also where no shell knows ours
    path = os.pathsep.join([ours, os.environ.get("PATH", os.defpath)])
    child, told = None, 0

    def pass_on(number: int, _: object) -> None:
        nonlocal told
        told = number
        if child is not None:
            tell(child, number)

    with handled(pass_on):
        child = subprocess.Popen(command, cwd=cwd, env={**os.environ, "PATH": path})
        if told:
            tell(child, told)
        code = child.wait()
    return code if code >= 0 else 128 - code, told


def _tell_child(child: subprocess.Popen[bytes], number: int) -> None:
    if number != signal.SIGINT:  # of Ctrl-C: the child is in our process group and got it too
        with suppress(ProcessLookupError):
            child.send_signal(number)


def usable_cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
