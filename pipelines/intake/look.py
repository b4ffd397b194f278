"""What the source of a data set holds now, at a glance, so that DVC sees what was changed there.

In: a data set and its settings. Out: data/store/sources/NAME.json, which `fetch` depends on: sha256
of files of labels, and of folders how many files, bytes, and a digest of names, sizes and times;
of S3 its ETags, of https what a HEAD tells. Images are not read. Nothing is refused here: what is
not there is written down, and fetch says what is wrong with it.

A folder of 100,000 images takes 2.7 s, and a file of labels whose size, times and inode are
those of the last look is not read again (benchmarks/source_look.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.data_set import DataSet, Layout
from data.ground.json_text import read_object
from data.ground.refusal import masked
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.writable import writable
from pipelines.intake.download import REMOTE
from pipelines.intake.kept import AWAY, served_version
from pipelines.intake.sources import belongs, from_home, label_files
from pipelines.recipe.datasets import data_set
from pipelines.store.s3 import s3_versions

Look = dict[str, Any]
JUST_NOW_S = 2.0  # a file that was written since may change again without another time


class KnownDigests:
    """sha256 of files, kept on disk: one that is as it was at the last look is not read again. A
    row that is none is as if the file was never looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known = read_object(path)
        except ValueError:
            self._known = {}

    def of(self, path: Path) -> str:
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        match self._known.get(str(path)):
            case [*before, str(known)] if before == stamp:
                return known
        digest = file_digest(path)
        self._known.pop(str(path), None)
        if time.time() - found.st_mtime > JUST_NOW_S:
            self._known[str(path)] = [*stamp, digest]
        return digest

    def keep(self) -> None:
        with writable(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text_whole(self._path, json.dumps(self._known))


def write_look(name: str, settings: Mapping[str, Any]) -> None:
    """Writes the look down. A source elsewhere that does not answer is taken as unchanged."""
    path = places.source_look(name)
    try:
        seen = look_at(name, settings)
    except ValueError as error:
        before = read_object(path, cut="remove it") if path.is_file() else {}
        seen = {"from": _told(settings), "unseen": True}
        if before.get("from") == seen["from"]:
            seen = before
            print(masked(f"{name}: {error}; taken as it was at the last look"), file=sys.stderr)
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_whole(path, json.dumps(seen, indent=1, sort_keys=True) + "\n")


def look_at(name: str, settings: Mapping[str, Any]) -> Look:
    known = KnownDigests(places.known_digests(name))
    seen = look(data_set(name), settings, known)
    known.keep()
    return seen


def look(kind: DataSet, settings: Mapping[str, Any], known: KnownDigests) -> Look:
    """What the data set is made from; of one that is drawn, or made of others, nothing.

    Raises ValueError where a source elsewhere does not answer.
    """
    source, detections = settings.get("source"), settings.get("detections")
    seen: dict[str, Any] = {}
    if kind.LAYOUT is not None and isinstance(source, str) and source:
        seen |= _of_source(source, kind.LAYOUT, known)
    for path in kind.reads(places.origin()):
        seen[_short(path)] = _of_path(path, known)
    if isinstance(detections, str) and detections:
        seen[detections] = _of_file(from_home(detections), known)
    return {"from": _told(settings), "seen": seen} if seen else {}


def look_digest(name: str, settings: Mapping[str, Any]) -> str | None:
    """Of a look; None where there is nothing to look at, or it does not answer."""
    try:
        seen = look_at(name, settings)
    except ValueError:
        return None
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest() if seen else None


def _short(path: Path) -> str:
    """From the home folder, where it lies there: a trial's copy of the checkout sees the same."""
    home = places.origin()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)


def _told(settings: Mapping[str, Any]) -> list[Any]:
    return [settings.get("source"), settings.get("detections")]


def _of_source(source: str, layout: Layout, known: KnownDigests) -> dict[str, Any]:
    if source.startswith("s3://"):
        zips = [archive.name for archive in layout.archives]
        tags = s3_versions(source)
        return {k: tag for k, tag in tags.items() if k in zips or belongs(k, layout)}
    if "://" in source:
        base = source.rstrip("/")
        return {each.name: _version(f"{base}/{each.name}") for each in layout.archives}
    root = Path(from_home(source)).resolve()
    paths = [*label_files(root, layout), *(root / name for name in layout.folders)]
    return {str(path.relative_to(root)): _of_path(path, known) for path in paths}


def _of_file(source: str, known: KnownDigests) -> object:
    if source.startswith("s3://"):
        folder, _, name = source.rpartition("/")
        return s3_versions(folder, name).get(name, AWAY)
    return _version(source) if source.startswith(REMOTE) else _of_path(Path(source), known)


def _of_path(path: Path, known: KnownDigests) -> object:
    if path.is_file():
        return known.of(path)
    return glance(path) if path.is_dir() else AWAY


def glance(folder: Path) -> dict[str, Any]:
    """Files and bytes of a folder, and a digest of their names, sizes and times."""
    rows = sorted(_below(folder.as_posix(), ""))
    digest = hashlib.sha256(repr(rows).encode("utf-8", "surrogateescape")).hexdigest()
    return {"files": len(rows), "bytes": sum(size for _, size, _ in rows), "digest": digest}


def _below(folder: str, name: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, int, int]]:
    """(name, bytes, time in ns) of files at any depth; a link to a folder above is let go."""
    here = os.path.realpath(folder)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _below(entry.path, f"{name}{entry.name}/", (*above, here))
            elif entry.is_file():
                found = entry.stat()
                yield f"{name}{entry.name}", found.st_size, found.st_mtime_ns


def _version(address: str) -> str:
    """As `served_version`; a file of which nothing is told is there."""
    return served_version(address) or "there"
