"""A node's cache of what its processes need of a store: folders by name, each whole or absent.

One process of the node fills a folder, others wait for it. Who uses one holds it for its life, so
room is made of what nobody uses, the longest unused first. FOLDER/NAME holds `files`, the folder
itself; `whole.json`, what it came to, whose time is that of its last use; two locks.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.processes import held

FILES, PART, OLD, WHOLE = "files", "part", "old", "whole.json"
GIB = 2**30
FULL = (errno.ENOSPC, errno.EDQUOT)
_USED: dict[Path, Any] = {}  # open files whose locks say that this process uses an entry
_USED_LOCK = threading.Lock()


@dataclass(frozen=True)
class Kept:
    """An entry: its bytes, its last use in seconds since 1970, whether all of it is there."""

    name: str
    bytes: int
    used: float
    whole: bool


class NodeCache:
    """Folders of a store's data below `folder`, of `limit_bytes` together."""

    def __init__(self, folder: Path, limit_bytes: float) -> None:
        self._folder, self._limit = folder, limit_bytes

    @property
    def where(self) -> Path:
        return self._folder

    @property
    def limit_gib(self) -> float:
        return self._limit / GIB

    def folder(
        self, name: str, fill: Callable[[Path], None], needs: Callable[[], int] | None = None
    ) -> Path:
        """The folder of that name, which other processes of the node read too.

        fill: brings the files into a folder, which may hold what an interrupted one brought; needs:
        the bytes that it will take, asked where it has to be filled. Raises ValueError where they
        are more than the cache may hold, or there is no room on the disk.
        """
        entry = self._folder / place(name)
        with self._told_errors(entry):
            entry.mkdir(parents=True, exist_ok=True)
            _use(entry)
        if not _is_whole(entry):
            with held(entry / "filling", f"brings {name}"):
                if not _is_whole(entry):
                    self._fill(entry, name, fill, needs() if needs else 0)
        os.utime(entry / WHOLE)
        return entry / FILES

    def kept(self) -> list[Kept]:
        """What is there, the longest unused first."""
        entries = (path for path in self._folder.glob("*") if path.is_dir())
        found = [row for entry in entries if (row := _kept(entry))]
        return sorted(found, key=lambda row: row.used)

    def clear(self) -> list[Kept]:
        """Removes what no process uses, and tells it."""
        return [row for row in self.kept() if _drop(self._folder / row.name)]

    def release(self) -> None:
        """This process uses nothing of the cache any more."""
        with _USED_LOCK:
            for entry in [path for path in _USED if path.parent == self._folder]:
                _USED.pop(entry).close()

    def _fill(self, entry: Path, name: str, fill: Callable[[Path], None], needs: int) -> None:
        self._make_room(name, needs)
        part = entry / PART
        with self._told_errors(entry, needs):
            (entry / WHOLE).unlink(missing_ok=True)
            part.mkdir(exist_ok=True)
            fill(part)
            files, size = measure(part)
            if size > self._limit:
                shutil.rmtree(part)
                raise self._too_large(name, size)
            _swap(entry)
            write_text_whole(entry / WHOLE, json.dumps({"files": files, "bytes": size}))
        if not needs:
            self._make_room(name, 0)

    def _make_room(self, name: str, needs: int) -> None:
        """Removes what nobody uses until `needs` bytes are within the limit, and on the disk."""
        if needs > self._limit:
            raise self._too_large(name, needs)
        rows = self.kept()
        begun = sum(row.bytes for row in rows if row.name == place(name) and not row.whole)
        needs = max(needs - begun, 0)
        total = sum(row.bytes for row in rows)
        for row in rows:
            if total + needs <= self._limit and self._free() >= needs:
                return
            if _drop(self._folder / row.name):
                total -= row.bytes
        if self._free() < needs:
            raise self._full(needs)
        if total + needs > self._limit:
            over = (total + needs - self._limit) / GIB
            print(f"{self._folder}: {over:.1f} GiB over cluster.cache_gib, all in use", flush=True)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _too_large(self, name: str, needs: int) -> ValueError:
        return refusal(
            "params.yaml: cluster.cache_gib",
            fault=f"{name} takes {needs / GIB:.3g} GiB, more than the {self._limit / GIB:.3g} GiB "
            "that a node keeps",
            do="raise it, as far as the nodes' disks have room ($LIMBER_CACHE says where)",
        )

    def _full(self, needs: int) -> ValueError:
        room = f"{needs:,} bytes are needed, {self._free():,} are free"
        return refusal(
            self._folder,
            fault=f"the disk of node {socket.gethostname()} is full ({room})",
            do="make room there, or set LIMBER_CACHE on the nodes to a folder of a larger disk",
        )

    @contextmanager
    def _told_errors(self, entry: Path, needs: int = 0) -> Iterator[None]:
        """A full disk, and a folder that cannot be written, as refusals; others go on as they are.

        What a full disk holds of an entry is of no use and goes; after another error it stays.
        """
        try:
            yield
        except (OSError, ValueError) as error:
            cause = _system_error(error)
            if cause is not None and cause.errno in FULL:
                shutil.rmtree(entry / PART, ignore_errors=True)
                raise self._full(needs) from error
            if isinstance(error, ValueError) or not error.filename:
                raise
            fault = f"cannot be written ({error.strerror or error})"
            do = f"set LIMBER_CACHE on node {socket.gethostname()} to a folder that can be"
            raise refusal(error.filename, fault=fault, do=do) from error


def open_node_cache(cache_gib: float) -> NodeCache:
    """This node's, of params.yaml's `cluster.cache_gib`."""
    return NodeCache(places.cache() / "inputs", cache_gib * GIB)


def measure(folder: Path) -> tuple[int, int]:
    """(files, bytes) of a folder at any depth; a few seconds for a hundred thousand files."""
    files = size = 0
    for path, _, names in os.walk(folder):
        files += len(names)
        size += sum(Path(path, name).stat().st_size for name in names)
    return files, size


def place(name: str) -> str:
    """The entry's folder: `images/coco-1234` lies in `images-coco-1234`."""
    parts = PurePosixPath(name).parts
    assert parts and not {"..", "/"} & set(parts), name
    return "-".join(parts)


def _use(entry: Path) -> None:
    """Held by this process until it ends, or lets go; others may use it too."""
    with _USED_LOCK:
        if entry not in _USED:
            file = (entry / "used").open("a")
            fcntl.flock(file, fcntl.LOCK_SH)
            _USED[entry] = file


def _is_whole(entry: Path) -> bool:
    """Whether all that was brought is there still, by number and sizes."""
    told = _told(entry)
    if told is None:
        return False
    found = measure(entry / FILES)
    if found != told:
        print(f"{entry}: damaged ({found} of {told} files and bytes), brought anew", flush=True)
    return found == told


def _told(entry: Path) -> tuple[int, int] | None:
    try:
        note = json.loads((entry / WHOLE).read_text())
        return int(note["files"]), int(note["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _kept(entry: Path) -> Kept | None:
    """None of an entry that is empty, or that another process is removing."""
    try:
        told = _told(entry)
        mark = entry / WHOLE if told else entry / PART
        size = told[1] if told else measure(entry / PART)[1]
        return Kept(entry.name, size, mark.stat().st_mtime, told is not None)
    except FileNotFoundError:
        return None


def _drop(entry: Path) -> bool:
    """Removes an entry's files, unless a process uses it."""
    with (entry / "used").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        (entry / WHOLE).unlink(missing_ok=True)
        for name in (FILES, PART, OLD):
            shutil.rmtree(entry / name, ignore_errors=True)
    return True


def _swap(entry: Path) -> None:
    """What was brought takes the place of what was damaged."""
    shutil.rmtree(entry / OLD, ignore_errors=True)
    if (entry / FILES).exists():
        (entry / FILES).rename(entry / OLD)
    (entry / PART).rename(entry / FILES)
    shutil.rmtree(entry / OLD, ignore_errors=True)


def _system_error(error: BaseException | None) -> OSError | None:
    """What the system said, at the root of a refusal."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error
