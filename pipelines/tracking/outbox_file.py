"""An outbox's file as it is taken over: held by one process, closed to others, its end a line's."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from data.ground.refusal import refusal
from pipelines.tracking.sealed import whole_records


def take(path: Path) -> IO[str]:
    """The lock that holds it, to be closed; the file is there then, and ends with a line.

    Raises ValueError while another process holds it.
    """
    held = path.with_suffix(".lock").open("a")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        fault = "a training that runs is sending it"
        raise refusal(path, fault=fault, do="wait for its end") from error
    _keep_to_ourselves(path)
    _end_torn_line(path)
    return held


def _keep_to_ourselves(path: Path) -> None:
    """Nobody else of the machine reads what was told; one of before is closed as well."""
    path.touch(mode=0o600)
    found = path.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o600)


def _end_torn_line(path: Path) -> None:
    """A last line that a killed process left without its end is cut off; where no whole record
    tells that the file is an outbox, it stays, as a line."""
    content = path.read_bytes()
    if not content or content.endswith(b"\n"):
        return
    with path.open("r+b") as file:
        if any(whole_records(content)):
            file.truncate(content.rfind(b"\n") + 1)
        else:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
