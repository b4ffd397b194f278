"""Folders that appear whole or not at all; what a file holds, as a digest."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.one_writer import one_writer
from pipelines.host.signals import uninterrupted
from pipelines.host.writable import writable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill; takes the place of `target` at the end, or vanishes on any error.

    A second writer of the place waits for the first; what one left that was killed while it took
    the place comes back. Raises ValueError where it cannot be written, and by its name for a file
    elsewhere that cannot be read meanwhile.
    """
    part = target.with_name(f".{target.name}.part")
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_writer(target):
            _put_back(target)
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                with _filling(part, target):
                    yield part
                _put_in_place(part, target)
            finally:
                shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _filling(part: Path, target: Path) -> Iterator[None]:
    """Leaves an OSError of `part`, or of a disk that takes no more, to `writable`; any other is one
    of what is read, a ValueError."""
    try:
        yield
    except OSError as error:
        both = (error.filename2, error.filename)
        names = [os.fsdecode(name) for name in both if isinstance(name, str | bytes)]
        if any(Path(name).is_relative_to(part) for name in names):
            raise
        if not names and error.errno in NO_ROOM:
            raise
        fault = f"cannot be read ({error.strerror or error})" if names else f"not made ({error})"
        do = f"{target} is as it was; try again when what it is made of can be read"
        raise refusal(names[-1] if names else target, fault=fault, do=do) from error


def _put_back(target: Path) -> None:
    """What stood at `target` before a writer that was killed between its two renames."""
    old = _old(target)
    if _is_there(old) and not _is_there(target):
        old.rename(target)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _put_in_place(part: Path, target: Path) -> None:
    """The signals that end us wait meanwhile: between the renames there is no target."""
    in_main = threading.current_thread() is threading.main_thread()
    with uninterrupted() if in_main else nullcontext():
        _swap(part, target)


def _swap(part: Path, target: Path) -> None:
    old = _old(target)
    _remove(old)
    if _is_there(target):
        target.rename(old)
    try:
        part.rename(target)
    except OSError:
        _put_back(target)
        raise
    _remove(old)


def _remove(old: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def file_digest(path: Path, kind: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
