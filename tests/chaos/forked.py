"""A function in a process of its own that costs no import: forked of a row's."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 180.0


@dataclass
class Forked:
    """said: the file of what it prints."""

    pid: int
    said: Path

    def wait(self, limit_s: float = LONGEST_S) -> int:
        """Its exit code, below 0 where a signal ended it. TimeoutError, and its end, after that."""
        until = time.monotonic() + limit_s
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"not through after {limit_s:.0f} s: {self.text()}")
            time.sleep(0.02)
        return os.waitstatus_to_exitcode(ended[1])

    def text(self) -> str:
        return self.said.read_text(errors="replace")[-4000:]


def forked(do: Callable[[], object], said: Path) -> Forked:
    """`do` begun; it exits with 1 where that raises. said: a file that what it prints is added to.

    For a row's process that is of one thread.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return Forked(child, said)
    code = 1
    try:
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(file, stream)
        sys.stdout = sys.stderr = os.fdopen(os.dup(file), "w", buffering=1)  # pytest has its own
        do()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, its exit code and its words tell it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def done_apart(do: Callable[[], object], said: Path) -> str:
    """What it printed. Raises AssertionError where it failed."""
    child = forked(do, said)
    assert child.wait() == 0, child.text()
    return child.text()
