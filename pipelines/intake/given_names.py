"""Refusals that name the user's files, not the links or copies of them that we made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def given_names(folder: Path, source: object = None) -> Iterator[None]:
    """ValueErrors from inside tell what a link in `folder` points to, and of other files there
    `source` and their place below it, where there is one."""
    try:
        yield
    except ValueError as error:
        said = _as_given(str(error), folder, source)
        raise ValueError(said) from error


def _as_given(text: str, folder: Path, source: object) -> str:
    if str(folder) not in text:
        return text
    links = [path for level in ("*", "*/*") for path in folder.glob(level) if path.is_symlink()]
    for link in sorted(links, key=lambda path: -len(str(path))):
        text = text.replace(str(link), str(link.resolve()))
    return text.replace(str(folder), source.rstrip("/")) if isinstance(source, str) else text
