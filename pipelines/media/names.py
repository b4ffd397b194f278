"""Names of sources: each once, in words that a file system takes."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

LONGEST = 230  # bytes of a name: file systems take 255, and names grow by `-2`, `.part`, an ending


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
    parts = [_short(part) for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    return PurePosixPath(*parts) if parts else PurePosixPath("unnamed")


def _short(part: str) -> str:
    """The same where a file system takes it; else its beginning, a digest of all, its ending."""
    content = part.encode(errors="surrogateescape")
    if len(content) <= LONGEST:
        return part
    ending = PurePosixPath(part).suffix.encode(errors="surrogateescape")
    ending = ending if len(ending) < 16 else b""
    digest = f"-{hashlib.sha256(content).hexdigest()[:8]}".encode()
    start = content[: LONGEST - len(digest) - len(ending)].decode(errors="ignore")
    return start + (digest + ending).decode(errors="surrogateescape")


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
