"""What a command and all that it starts take: the clock, CPU time, memory (Linux).

Looked at many times a second. Memory is the proportional set: a page that several processes share
counts once, so the sum is what the machine has to give. CPU time is that of the last look at each
process, so up to one look short.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOK_S = 0.1
MIB = 1 << 20


@dataclass
class Taken:
    """seconds by the clock; cpu: seconds by process; peak: bytes of all at once; largest: bytes of
    the one that held most; said: its stdout."""

    seconds: float = 0.0
    cpu: dict[int, float] = field(default_factory=dict)
    peak: int = 0
    largest: int = 0
    said: str = ""

    @property
    def cpu_seconds(self) -> float:
        return sum(self.cpu.values())


def run_measured(
    command: Sequence[str], folder: Path, variables: Mapping[str, str] = os.environ
) -> Taken:
    """Runs it to its end in `folder`; what it says on stderr goes to ours.

    Raises CalledProcessError where it fails.
    """
    taken, began = Taken(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=folder, env=dict(variables), stdout=said)
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            _look(tree, taken)
            time.sleep(LOOK_S)
        taken.seconds = time.perf_counter() - began
        said.seek(0)
        taken.said = said.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), taken.said)
    return taken


def _look(tree: psutil.Process, taken: Taken) -> None:
    held = 0
    for process in family(tree):
        try:
            times, size = process.cpu_times(), proportional_set(process.pid)
        except (psutil.Error, OSError):
            continue  # it has just ended
        taken.cpu[process.pid] = times.user + times.system
        taken.largest = max(taken.largest, size)
        held += size
    taken.peak = max(taken.peak, held)


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it started, as far as they live."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def proportional_set(pid: int) -> int:
    """Bytes; OSError where the process has gone."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
