"""A trial in a process of its own, under limits: a crash, a hang or a full memory is its alone."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import cv2

from tests.chaos.fault import Outcome

SECONDS, MEMORY = 10, 2 << 30  # of the processor; beside what the process has when it begins
RECOVERED, REFUSED = b"recovered", b"refused"


def limited(read: Callable[[], None], names: tuple[str, ...]) -> Outcome:
    """ "recovered" where `read` is through, "refused" where it raised a ValueError that holds one
    of the names.

    Raises:
        AssertionError: anything else that it raised; the process crashed, took too long or too
            much.
    """
    cv2.setNumThreads(1)
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _answer(writing, read, names)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        answer = said.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise AssertionError(f"ended by {signal.Signals(os.WTERMSIG(status)).name}")
    if answer == RECOVERED:
        return "recovered"
    assert answer == REFUSED, answer.decode(errors="replace")
    return "refused"


def _answer(writing: int, read: Callable[[], None], names: tuple[str, ...]) -> None:
    """In the child: what came of it, and its end."""
    answer = b"nothing was said"
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silent, stream)
        _set_limits()
        read()
        answer = RECOVERED
    except ValueError as error:
        said = str(error)
        named = any(name in said for name in names) and len(said) < 4000
        answer = REFUSED if named else f"names none of {names}: {traceback.format_exc()}".encode()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent tells it
        answer = traceback.format_exc()[-4000:].encode()
    finally:
        os.write(writing, answer)
        os._exit(0)


def _set_limits() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
