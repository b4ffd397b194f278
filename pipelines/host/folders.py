"""Folders that appear whole or not at all; what a file holds, as a digest."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.one_writer import one_writer


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill; takes the place of `target` at the end, or vanishes on any error.

    A second writer of the place waits for the first. Raises ValueError where it cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    with writable(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_writer(target):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                yield part
                _put_in_place(part, target)
            finally:
                shutil.rmtree(part, ignore_errors=True)


@contextmanager
def writable(target: Path, setting: str = "LIMBER_HOME") -> Iterator[None]:
    """Turns a failing write (permission, full disk) under `target` into a ValueError.

    setting: what moves it to another folder.
    """
    try:
        yield
    except OSError as error:
        raise refusal(
            error.filename2 or error.filename or target,  # of a copy: where to
            fault=f"cannot be written ({error.strerror or error})",
            do=f"give this user write access to {target.parent} and room on its disk, or set "
            f"{setting} to a folder that has both",
        ) from error


def _put_in_place(part: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists() or target.is_symlink():
        target.rename(old)
    part.rename(target)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def file_digest(path: Path, kind: str = "sha256") -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
