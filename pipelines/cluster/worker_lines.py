"""What workers print, as they printed it: without the `(RayTrainWorker pid=...)` of Ray's log."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

COLOUR = r"(?:\x1b\[\d*m)*"
PREFIX = re.compile(rf"^{COLOUR}\(RayTrainWorker pid=\d+(?:, ip=[^)]*)?\){COLOUR} ")


class PlainLines:
    """A stream that takes the prefix off; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(PREFIX.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plain_worker_lines() -> Iterator[None]:
    """Ray prints workers' lines to this process's stdout: inside, without the prefix."""
    before = sys.stdout
    sys.stdout = PlainLines(before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout = before
