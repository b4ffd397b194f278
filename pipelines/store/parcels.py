"""Parcels: folders of files in a store, `NAME/FILE`, with NAME/manifest.json, which comes last.

A parcel that was interrupted goes on where it stopped: `so_far.json` says what is there already.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.store.store import Store

MANIFEST, SO_FAR = "manifest.json", "so_far.json"
AT_ONCE = 8  # files on their way
NOTED_BYTES, NOTED_FILES = 64 << 20, 500  # as much is sent again at most, after an interruption
MIB = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Piece:
    """A file of a parcel. told: what the sender says of it beside (for shards: what is in them)."""

    size: int
    sha256: str
    told: Mapping[str, Any]


def send(store: Store, name: str, files: Mapping[str, Path]) -> None:
    """{name in the parcel: file}; nothing is sent again that is there.

    Raises ValueError where a file cannot be read, or the store cannot be written.
    """
    if is_whole(store, name):
        return
    sending = Sending(store, name)
    tally = Tally(f"send {name}", sum(path.stat().st_size for path in files.values()), "MiB", MIB)

    def put(item: tuple[str, Path]) -> None:
        inner, path = item
        size = path.stat().st_size
        fresh = sending.put(inner, path, Piece(size, file_digest(path), {}))
        tally.add(size, fresh=fresh)

    side_by_side(put, sorted(files.items()), AT_ONCE)
    tally.close()
    sending.finish(files)


def bring(store: Store, name: str, target: Path) -> None:
    """The parcel's files below `target`; those that are there already, by digest, stay.

    Raises ValueError where the parcel is not in the store, or damaged.
    """
    pieces = read_manifest(store, name)
    tally = Tally(f"bring {name}", sum(piece.size for piece in pieces.values()), "MiB", MIB)

    def get(item: tuple[str, Piece]) -> None:
        inner, piece = item
        path = target / inner
        there = path.is_file() and (path.stat().st_size, file_digest(path)) == _key(piece)
        if not there:
            store.get(f"{name}/{inner}", path, size=piece.size, sha256=piece.sha256)
        tally.add(piece.size, fresh=not there)

    side_by_side(get, pieces.items(), AT_ONCE)
    tally.close()


class Sending:
    """A parcel on its way: what is there of it already, noted after so many bytes each."""

    def __init__(self, store: Store, name: str, note_bytes: int = NOTED_BYTES) -> None:
        self._store, self._name, self._lock = store, name, threading.Lock()
        sizes = store.names(f"{name}/")
        known = _known(store, f"{name}/{MANIFEST}") | _known(store, f"{name}/{SO_FAR}")
        self._pieces = {
            inner: piece
            for inner, piece in known.items()
            if sizes.get(f"{name}/{inner}") == piece.size
        }
        self._note_bytes, self._unnoted = note_bytes, [0, 0]  # bytes, files

    def there(self, inner: str) -> Piece | None:
        with self._lock:
            return self._pieces.get(inner)

    def put(self, inner: str, path: Path, piece: Piece) -> bool:
        """Whether the file had to be sent."""
        check_inside(inner, self._name)
        if self.there(inner) == piece:
            return False
        self._store.put(path, f"{self._name}/{inner}")
        with self._lock:
            self._pieces[inner] = piece
            self._unnoted = [self._unnoted[0] + piece.size, self._unnoted[1] + 1]
            due = self._unnoted[0] >= self._note_bytes or self._unnoted[1] >= NOTED_FILES
            if due:
                self._write(SO_FAR, self._pieces)
                self._unnoted = [0, 0]
        return True

    def finish(self, names: Iterable[str]) -> None:
        """The manifest of these files, which are all there."""
        self._write(MANIFEST, {name: self._pieces[name] for name in sorted(names)})
        self._store.remove(f"{self._name}/{SO_FAR}")

    def _write(self, name: str, pieces: Mapping[str, Piece]) -> None:
        content = {"files": {inner: asdict(piece) for inner, piece in pieces.items()}}
        self._store.write(f"{self._name}/{name}", json.dumps(content, indent=1).encode())


def is_whole(store: Store, name: str) -> bool:
    """Whether all of the parcel is there, by sizes: a rule of the bucket may remove some."""
    pieces = _known(store, f"{name}/{MANIFEST}")
    sizes = store.names(f"{name}/") if pieces else {}
    there = (sizes.get(f"{name}/{inner}") == piece.size for inner, piece in pieces.items())
    return bool(pieces) and all(there)


def read_manifest(store: Store, name: str) -> dict[str, Piece]:
    """{file: what it is}. Raises ValueError where there is none, or a file leaves its folder."""
    content = store.read(f"{name}/{MANIFEST}")
    where = f"{store.address}/{name}"
    if content is None:
        do = "run `make repro` in the checkout, which sends it"
        raise refusal(where, fault=f"not in the store (no {MANIFEST})", do=do)
    return _pieces(content, where)


def parcel_bytes(store: Store, name: str) -> int:
    return sum(piece.size for piece in read_manifest(store, name).values())


def side_by_side(work: Callable[[_Item], None], items: Iterable[_Item], most: int) -> None:
    """`most` at a time, in threads; after the first that fails no other begins, its error comes."""
    failed = threading.Event()

    def guarded(item: _Item) -> None:
        if failed.is_set():
            return
        try:
            work(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(most) as pool:
        try:
            for done in [pool.submit(guarded, item) for item in items]:
                done.result()
        except BaseException:  # Ctrl-C among them: what waits does not begin
            failed.set()
            raise


def _known(store: Store, name: str) -> dict[str, Piece]:
    """What a note says is there; {} where there is none, or one that is damaged: all goes again."""
    content = store.read(name)
    try:
        return _pieces(content, name) if content else {}
    except ValueError:
        return {}


def _pieces(content: bytes, where: str) -> dict[str, Piece]:
    try:
        rows = json.loads(content)["files"].items()
        pieces = {
            str(inner): Piece(int(row["size"]), str(row["sha256"]), dict(row["told"]))
            for inner, row in rows
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(where, repr(error)) from error
    for inner, piece in pieces.items():
        check_inside(inner, where)
        if not SHA256.fullmatch(piece.sha256):
            do = "who wrote that? nothing of it was brought"
            raise refusal(where, fault=f"{inner}: {piece.sha256!r} is no sha256", do=do)
    return pieces


def damaged(where: str, why: str) -> ValueError:
    """The refusal of a parcel whose manifest says nothing that can be used."""
    do = f"remove {MANIFEST} there and run `make repro` in the checkout, which sends it again"
    return refusal(where, fault=f"its {MANIFEST} is damaged ({why})", do=do)


def check_inside(inner: str, where: str) -> None:
    """Raises ValueError for a name that leads out of the folder that it is brought to."""
    path = PurePosixPath(inner)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in inner:
        fault = f"names a file that leaves its folder ({inner!r})"
        raise refusal(where, fault=fault, do="who wrote that? nothing of it was brought")


def _key(piece: Piece) -> tuple[int, str]:
    return piece.size, piece.sha256
