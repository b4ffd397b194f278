"""Many small files as a parcel of tars, a few hundred MiB each: one object of a store per shard.

A tar depends on names and contents alone, so whoever sends the same files sends the same shards.
Neither side holds more than `AT_ONCE` shards on its disk beside the files, or a file in memory.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.host.writable import writable
from pipelines.store.node_cache import measure
from pipelines.store.parcels import (
    Piece,
    Sending,
    check_inside,
    damaged,
    is_whole,
    read_manifest,
    side_by_side,
)
from pipelines.store.store import Store

SHARD_BYTES = 256 << 20
AT_ONCE = 2
DONE = ".unpacked"  # folder, while shards come in, of what is through
CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file that goes into a shard. crc32: of what it is to hold, where that is known."""

    path: Path
    crc32: int | None = None


def send_shards(
    store: Store,
    name: str,
    members: Mapping[str, Member],
    folder: Path,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """members: by name below the target; folder: where shards lie until they are sent.

    Raises ValueError where a file is missing, or not the one of its crc32.
    """
    if is_whole(store, name):
        return
    sending = Sending(store, name, note_bytes=0)
    sizes = {inner: _size(member.path) for inner, member in members.items()}
    plan = {_shard_name(n, names): names for n, names in enumerate(_plan(sizes, shard_bytes))}
    tally = Tally(f"send {name}", len(members), "files")
    shutil.rmtree(folder, ignore_errors=True)

    def send(item: tuple[str, Sequence[str]]) -> None:
        shard, names = item
        fresh = sending.there(shard) is None
        if fresh:
            path = folder / shard
            told = {"files": len(names), "bytes": sum(sizes[inner] for inner in names)}
            pack(path, {inner: members[inner] for inner in names})
            sending.put(shard, path, Piece(path.stat().st_size, file_digest(path), told))
            path.unlink()
        tally.add(len(names), fresh=fresh)

    try:
        side_by_side(send, plan.items(), AT_ONCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tally.close()
    sending.finish(plan)


def bring_shards(store: Store, name: str, target: Path) -> None:
    """All files of the shards below `target`; what an interrupted one unpacked there stays.

    Raises ValueError where the parcel is not in the store, or damaged.
    """
    pieces = _read_shards(store, name)
    done, shards = target / DONE, target / f"{DONE}.shards"
    with writable(done):
        done.mkdir(parents=True, exist_ok=True)
    tally = Tally(f"bring {name}", sum(int(p.told["files"]) for p in pieces.values()), "files")

    def get(item: tuple[str, Piece]) -> None:
        shard, piece = item
        mark = done / piece.sha256
        fresh = not mark.is_file()
        if fresh:
            path = shards / shard
            store.get(f"{name}/{shard}", path, size=piece.size, sha256=piece.sha256)
            with writable(target):
                unpack(path, target)
                path.unlink()
                mark.touch()
        tally.add(int(piece.told["files"]), fresh=fresh)

    side_by_side(get, pieces.items(), AT_ONCE)
    tally.close()
    shutil.rmtree(done)
    shutil.rmtree(shards, ignore_errors=True)
    _check_all(store, name, pieces, target)


def unpacking_bytes(store: Store, name: str) -> int:
    """What `bring_shards` takes on a disk at most, shards on their way among it."""
    pieces = _read_shards(store, name).values()
    largest = sorted(piece.size for piece in pieces)[-AT_ONCE:]
    return sum(int(piece.told["bytes"]) for piece in pieces) + sum(largest)


def pack(path: Path, members: Mapping[str, Member]) -> None:
    """Writes the tar. Raises ValueError as `send_shards`."""
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with writable(path), tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for inner, member in members.items():
            content = _read(member)
            info = tarfile.TarInfo(inner)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, BytesIO(content))


def unpack(path: Path, target: Path) -> None:
    """Raises ValueError where an entry is no file, or would leave `target`."""
    made = set[Path]()
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            check_inside(info.name, str(path))
            if not info.isreg():
                do = "who wrote that? nothing of it is used"
                raise refusal(path, fault=f"entry {info.name!r} is no file", do=do)
            place = target / info.name
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            source = tar.extractfile(info)
            assert source is not None  # of a regular file there is one
            with source, place.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)


def _read_shards(store: Store, name: str) -> dict[str, Piece]:
    """As `read_manifest`; raises ValueError too where it does not say what is in a shard."""
    pieces = read_manifest(store, name)
    for shard, piece in pieces.items():
        counts = [piece.told.get(what) for what in ("files", "bytes")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise damaged(f"{store.address}/{name}", f"how much is in {shard} is not told")
    return pieces


def _plan(sizes: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """Members by name, shard by shard, of `most` bytes each, or of one file that is larger."""
    names, total = list[str](), 0
    for inner in sorted(sizes):
        if names and total + sizes[inner] > most:
            yield names
            names, total = [], 0
        names.append(inner)
        total += sizes[inner]
    if names:
        yield names


def _shard_name(number: int, names: Sequence[str]) -> str:
    """Of shards cut otherwise none has it; what is in the files, the parcel's own name says."""
    return f"{number:05d}-{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]}.tar"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _gone(path, error.strerror or str(error)) from error


def _read(member: Member) -> bytes:
    try:
        content = member.path.read_bytes()
    except OSError as error:
        raise _gone(member.path, error.strerror or str(error)) from error
    if member.crc32 is not None and zlib.crc32(content) != member.crc32:
        raise _gone(member.path, "is not the file that was prepared (its crc32 is another)")
    return content


def _gone(path: Path, why: str) -> ValueError:
    do = "run `make repro`, which fetches and prepares the data anew where they changed"
    return refusal(path, fault=f"cannot be sent to the nodes: {why}", do=do)


def _check_all(store: Store, name: str, pieces: Mapping[str, Piece], target: Path) -> None:
    """Raises ValueError where files are missing, as after a node that lost its power."""
    told = [sum(int(p.told[what]) for p in pieces.values()) for what in ("files", "bytes")]
    found = list(measure(target))
    if found != told:
        shutil.rmtree(target, ignore_errors=True)
        fault = f"{found} files and bytes lie there, not {told} of {store.address}/{name}"
        raise refusal(target, fault=fault, do="removed: the next start brings them again")
