"""What cannot be written, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.ground.refusal import refusal


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
