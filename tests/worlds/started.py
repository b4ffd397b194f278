"""What somebody started and is still there, told by a variable that it has in its environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

GONE_SECONDS = 5.0  # what is ended must be gone so soon


def started_by(variable: str, value: str) -> list[int]:
    """Live processes, but this one, in whose environment that variable has that value."""
    wanted, found = f"{variable}={value}\0".encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or another user's; a zombie's environment is empty
            continue
    return found


def still_there(variable: str, value: str, seconds: float = GONE_SECONDS) -> list[int]:
    """Those that are there after so long; at once empty where none is."""
    until = time.monotonic() + seconds
    while (left := [p for p in started_by(variable, value) if not helps_us(p)]) and (
        time.monotonic() < until
    ):
        time.sleep(0.05)
    return left


def helps_us(process: int) -> bool:
    """Whether it is a helper of this very process by `multiprocessing`, which ends with it."""
    words = command_of(process)
    helper = "multiprocessing.forkserver" in words or "multiprocessing.resource_tracker" in words
    return helper and parent_of(process) == os.getpid()


def parent_of(process: int) -> int:
    """0 where it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def command_of(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return str(process)
    return f"{process} {b' '.join(words).decode(errors='replace').strip()[:200]}"
