"""What a training wrote into its file so far: how far it is, its numbers, its error."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.host.progress import Progress, read_progress

COLOUR = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
ERROR = "error: "  # as run_command and the stage begin their last line
BEST = re.compile(r"\S+: best epoch \d+, (?P<number>.+) -> .+")  # training/results.py
ROOM = re.compile(r"\S+: (?P<room>waits for room: .+)")  # cluster/room.py


class Said:
    """`read_on` reads what is new in the file; a line that is not whole yet waits.

    progress: of the last line that shows any; left: of the last that told it; number: of the last
    validation, best: of the epoch that was kept; room: what it waits for; error, last: lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.progress: Progress | None = None
        self.left = self.number = self.best = self.room = self.error = self.last = ""
        self._read, self._rest = 0, b""

    def read_on(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return
        self._read += len(new)
        *lines, self._rest = re.split(rb"[\r\n]", self._rest + new)
        for line in lines:
            self._take(COLOUR.sub("", line.decode(errors="replace")).strip())

    def _take(self, line: str) -> None:
        self.last = line or self.last
        if line.startswith(ERROR):
            self.error = line.removeprefix(ERROR)
        if room := ROOM.fullmatch(line):
            self.room = room["room"]
        if best := BEST.fullmatch(line):
            self.best = best["number"]
        if progress := read_progress(line):
            self.progress = progress
            self.left, self.number = progress.left or self.left, progress.number or self.number
