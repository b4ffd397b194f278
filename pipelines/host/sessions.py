"""All processes of a session, ended: what began them may be gone, and they may have groups of their
own."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

KILLED_S = 20.0  # at most, for the killed to be gone


def kill_session(session: int) -> None:
    """All processes of it but this one, until they are gone, with those that they began."""
    end = time.monotonic() + KILLED_S
    while members := [each for each in session_members(session) if is_alive(each)]:
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.02)


def session_members(session: int) -> list[int]:
    """Its processes but this one."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and os.getsid(int(entry.name)) == session:
                members.append(int(entry.name))
    return members


def is_alive(process: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    return False
