"""Work in a process of its own, and the most memory that a process held while it worked."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def run_apart(work: Callable[..., Any], *arguments: object, limit: float | None = None) -> Any:
    """In a fresh process, whose memory holds nothing of what came before.

    limit: seconds after which it is ended, with a TimeoutError.
    """
    if limit is not None:
        with get_context("spawn").Pool(1) as pool:
            try:
                return pool.apply_async(work, arguments).get(limit)
            except multiprocessing.TimeoutError as error:  # no TimeoutError of Python's own
                raise TimeoutError(f"took over {limit:.0f} s") from error
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
