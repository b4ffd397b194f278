"""Names of sources: each once, in words that a file system takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath


def distinct_names(names: Mapping[str, str]) -> dict[str, str]:
    """{place: name} with every name once: of places of the same name, a folder more is told, until
    they differ; what is the same to the end gets a number."""
    told = dict(names)
    while True:
        count = Counter(told.values())
        longer = {
            place: more
            for place, name in told.items()
            if count[name] > 1 and (more := _with_parent(place, name)) != name
        }
        if not longer:
            return _numbered(told)
        told |= longer


def told_address(address: str) -> str:
    """Without user, password and what follows `?`: those may be secrets."""
    return re.sub(r"//[^/@]*@", "//", address.partition("?")[0]) if "://" in address else address


def numbered(name: str, number: int) -> str:
    """`a/photo.jpg`, 2 -> `a/photo-2.jpg`."""
    path = PurePosixPath(name)
    return path.with_name(f"{path.stem}-{number}{path.suffix}").as_posix()


def file_place(name: str) -> PurePosixPath:
    """Where what is made of a source lies below a folder: never outside it, whatever its name."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    return PurePosixPath(*parts) if parts else PurePosixPath("unnamed")


def _with_parent(place: str, name: str) -> str:
    parts = PurePosixPath(told_address(place).rpartition("://")[2]).parts
    tail = len(PurePosixPath(name).parts)
    longer = PurePosixPath(*parts[-tail - 1 :])
    return longer.as_posix() if tail < len(parts) and longer.parts[0] != "/" else name


def _numbered(names: Mapping[str, str]) -> dict[str, str]:
    taken: set[str] = set()
    told = {}
    for place, name in names.items():
        number, free = 1, name
        while free in taken:
            number += 1
            free = numbered(name, number)
        taken.add(free)
        told[place] = free
    return told
