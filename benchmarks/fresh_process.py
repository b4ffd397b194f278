"""Work in a process of its own, and the most memory that a process held while it worked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def run_apart(work: Callable[..., Any], *arguments: object) -> Any:
    """In a fresh process, whose memory holds nothing of what came before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def peak_of(work: Callable[[], object]) -> int:
    """Bytes that this process held at most during the work, above what it held before (Linux).

    Not `ru_maxrss`: it cannot be set back, and a process may be born with its parent's.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
    before = _peak()
    work()
    return _peak() - before


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
