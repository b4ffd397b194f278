"""One writer of a place at a time: the second waits, and says for whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipelines.host.processes import held


@contextmanager
def one_writer(target: Path) -> Iterator[None]:
    """Held by this thread alone, among all processes that see the disk; ends with the process,
    whatever ends it. Its lock is gone when nobody holds it.

    Raises ValueError where the folder cannot be written.
    """
    path = target.with_name(f".{target.name}.lock")
    while True:
        with held(path, "writes it") as file:
            if not _is_still(path, file):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_still(path: Path, file: TextIO) -> bool:
    """Whether it is the file that others find there: who held it before has removed it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(file.fileno())
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
