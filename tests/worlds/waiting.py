"""Waiting for something that others do, with a limit that no loaded machine reaches."""

from __future__ import annotations

import time
from collections.abc import Callable

LIMIT_S = 120.0


def wait_for(come: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Raises TimeoutError, naming what, where that does not come."""
    end = time.monotonic() + limit_s
    while not come():
        if time.monotonic() > end:
            raise TimeoutError(f"not after {limit_s:g} s: {what}")
        time.sleep(0.05)
