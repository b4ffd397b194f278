"""How far a long count has come (images, bytes): one line on a terminal, else one every 10 s."""

from __future__ import annotations

import sys
import time


class Tally:
    """`add` says what was done; lines go to stderr: `name  1200/5000 images  430/s  ETA 9 s`."""

    def __init__(self, name: str, total: int, unit: str, per: int = 1) -> None:
        """total: in things counted, 0 where it is not known; shown divided by `per`."""
        self._name, self._total, self._unit, self._per = name, total, unit, per
        self._done, self._fresh = 0, 0
        self._tty = sys.stderr.isatty()
        self._started = time.monotonic()
        self._next = self._started + (0.5 if self._tty else 10.0)

    def add(self, count: int = 1, *, fresh: bool = True) -> None:
        """`fresh`: done now; else found done already (does not count as speed)."""
        self._done += count
        self._fresh += count if fresh else 0
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + (0.5 if self._tty else 10.0)
            self._show()

    def close(self) -> None:
        if self._tty:
            self._show()
            print(file=sys.stderr)

    def _show(self) -> None:
        pace = self._fresh / max(time.monotonic() - self._started, 1e-9)
        total = f"/{self._total // self._per:,}" if self._total else ""
        left = f"  ETA {(self._total - self._done) / pace:,.0f} s" if self._total and pace else ""
        text = (
            f"{self._name}  {self._done // self._per:,}{total} {self._unit}  "
            f"{pace / self._per:,.1f}/s{left}"
        )
        end = "" if self._tty else "\n"
        print(f"\r{text}\x1b[K" if self._tty else text, end=end, file=sys.stderr, flush=True)
