"""Files that appear whole or not at all, whatever ends the writing, whoever else writes there."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to fill: beside `path` first, to the disk, then renamed; it vanishes on any error.

    Each writer of a place fills a file of its own, and the place holds what the last one wrote; so
    do machines that share a disk, unless their locks are each machine's alone.
    """
    part, file = _own_part(path)
    with file:  # held until it is renamed or gone
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_text_whole(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


def _own_part(path: Path) -> tuple[Path, BinaryIO]:
    """An empty file beside `path` that nobody else writes: `NAME.part`, also one that a killed
    writer left; while another writer holds that, or where none can be held, one of this writer's
    own name."""
    part = path.with_name(f"{path.name}.part")
    file = open(part, "wb", opener=_open_uncut)  # noqa: SIM115 - the caller closes it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), part.stat()):
            file.truncate()
            return part, file
    except (BlockingIOError, FileNotFoundError):  # it is held, or in its place since
        pass
    except OSError:  # of a disk that knows no locks: there it is nobody's
        part.unlink(missing_ok=True)
    file.close()
    word = f"{os.getpid()}-{uuid.uuid4().hex}"
    own = path.with_name(f"{path.name[:40]}.{word}.part")  # names may have 255 bytes
    return own, own.open("xb")


def _open_uncut(name: str, flags: int) -> int:
    """What stands in it may be another writer's."""
    return os.open(name, flags & ~os.O_TRUNC, 0o666)
