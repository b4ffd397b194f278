"""What workers print, as they printed it: without the `(RayTrainWorker pid=...)` of Ray's log, and
without what Ray reports as an error of its own preemption watcher, which is none."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

COLOUR = r"(?:\x1b\[\d*m)*"
PREFIX = re.compile(rf"^{COLOUR}\(RayTrainWorker pid=\d+(?:, ip=[^)]*)?\){COLOUR} ")
NO_ERROR = re.compile(r"\(TrainController .* core_worker\.cc:.* name: 'PreemptionWatcher' and ID")


class PlainLines:
    """A stream that takes the prefix off; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._left_out = stream, False

    def write(self, text: str) -> int:
        left_out, self._left_out = self._left_out, bool(NO_ERROR.search(text))
        if self._left_out or (left_out and text == "\n"):  # Ray prints a line's end by itself
            return len(text)
        return self._stream.write(PREFIX.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def plain_worker_lines() -> Iterator[None]:
    """Ray prints workers' lines to this process's streams: inside, without the prefix."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(PlainLines, before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
