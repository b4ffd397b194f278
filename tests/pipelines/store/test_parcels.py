"""Parcels and shards: the same bytes at the other end, sent once, nothing outside the folder."""

from __future__ import annotations

import json
import os
import random
import tarfile
import threading
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipelines.host.folders import file_digest
from pipelines.store.folder_store import FolderStore
from pipelines.store.parcels import bring, is_whole, read_manifest, send
from pipelines.store.shards import (
    Member,
    bring_shards,
    pack,
    send_shards,
    unpack,
    unpacking_bytes,
)

ODD = ("a b.jpg", "ü/é.jpg", "x/y/#%&+.png", "line\nbreak.jpg", "n" * 120 + ".jpg", "-rf", "😀.png")
SHARD = 2500


class Counting(FolderStore):
    """A store that remembers what is put and brought, and breaks after so many of either."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.puts: list[str] = []
        self.gets: list[str] = []
        self.breaks = 10**9
        self._lock = threading.Lock()

    def put(self, path: Path, name: str) -> None:
        self._remember(self.puts, name)
        super().put(path, name)

    def get(self, name: str, target: Path, *, size: int, sha256: str) -> None:
        self._remember(self.gets, name)
        super().get(name, target, size=size, sha256=sha256)

    def _remember(self, done: list[str], name: str) -> None:
        with self._lock:
            if len(done) >= self.breaks:
                raise ValueError("the line is cut")
            done.append(name)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "store")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Of odd names, some empty, some larger than a shard, one behind a link."""
    rng, found = random.Random(1), {}
    for number, name in enumerate((*ODD, *(f"plain/{n:03d}.jpg" for n in range(20)))):
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes([900, 0, 4000][number % 3]))
        found[name] = path
    (tmp_path / "link").symlink_to(tmp_path / "home" / "plain")
    return found | {"linked.jpg": tmp_path / "link" / "000.jpg"}


def send_as_shards(store: Counting, name: str, files: Mapping[str, Path]) -> None:
    work = Path(store.address).with_name("work")
    send_shards(store, name, {inner: Member(path) for inner, path in files.items()}, work, SHARD)


WAYS = pytest.mark.parametrize(
    ("there", "back"),
    [(send, bring), (send_as_shards, bring_shards)],
    ids=["files", "shards"],
)
There = Callable[[Counting, str, Mapping[str, Path]], None]
Back = Callable[[Counting, str, Path], None]


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@WAYS
def test_the_same_files_come_out(
    store: Counting, files: dict[str, Path], tmp_path: Path, there: There, back: Back
) -> None:
    there(store, "a/parcel", files)
    back(store, "a/parcel", tmp_path / "node")
    assert content_of(tmp_path / "node") == {name: p.read_bytes() for name, p in files.items()}
    assert "so_far.json" not in {name.rpartition("/")[2] for name in store.names()}
    assert not (tmp_path / "work").exists()


@WAYS
def test_what_is_there_is_not_sent_again(
    store: Counting, files: dict[str, Path], there: There, back: Back
) -> None:
    there(store, "parcel", files)
    first = len(store.puts)
    there(store, "parcel", files)
    assert len(store.puts) == first > 1


@WAYS
def test_a_file_that_the_store_lost_is_sent_again_alone(
    store: Counting, files: dict[str, Path], there: There, back: Back
) -> None:
    there(store, "parcel", files)
    lost = store.puts[1]
    store.remove(lost)
    assert not is_whole(store, "parcel")
    store.puts.clear()
    there(store, "parcel", files)
    assert store.puts == [lost] and is_whole(store, "parcel")


def test_an_interrupted_sending_of_shards_goes_on_where_it_stopped(
    store: Counting, files: dict[str, Path], tmp_path: Path
) -> None:
    send_as_shards(store, "whole", files)
    names = {name.rpartition("/")[2] for name in store.puts}
    store.puts, store.breaks = [], 4
    with pytest.raises(ValueError, match="the line is cut"):
        send_as_shards(store, "parcel", files)
    assert not is_whole(store, "parcel") and store.read("parcel/manifest.json") is None
    first, store.puts, store.breaks = store.puts, [], 10**9
    send_as_shards(store, "parcel", files)
    assert len(first) == 4 and not {*first} & {*store.puts}
    assert {name.rpartition("/")[2] for name in (*first, *store.puts)} == names
    bring_shards(store, "parcel", tmp_path / "node")
    assert content_of(tmp_path / "node") == {name: p.read_bytes() for name, p in files.items()}


@WAYS
def test_an_interrupted_bringing_goes_on_where_it_stopped(
    store: Counting, files: dict[str, Path], tmp_path: Path, there: There, back: Back
) -> None:
    there(store, "parcel", files)
    store.breaks = 5
    with pytest.raises(ValueError, match="the line is cut"):
        back(store, "parcel", tmp_path / "node")
    first, store.gets, store.breaks = store.gets, [], 10**9
    back(store, "parcel", tmp_path / "node")
    assert len(first) == 5 and not {*first} & {*store.gets}
    assert content_of(tmp_path / "node") == {name: p.read_bytes() for name, p in files.items()}


def test_shards_of_the_same_files_are_the_same_wherever_they_lie(tmp_path: Path) -> None:
    tars = []
    for folder, names in (("one", "abc"), ("two", "cba")):
        (tmp_path / folder).mkdir()
        for n, name in enumerate(names):
            path = tmp_path / folder / name
            path.write_bytes(name.encode() * 1000)
            os.utime(path, (n, n))
            path.chmod(0o600 + n)
        store = Counting(tmp_path / folder / "store")
        send_as_shards(store, "p", {name: tmp_path / folder / name for name in names})
        tars.append({name: piece.sha256 for name, piece in read_manifest(store, "p").items()})
    assert tars[0] == tars[1] and len(tars[0]) == 2


def test_a_file_that_is_not_what_was_prepared_is_not_sent(store: Counting, tmp_path: Path) -> None:
    image = tmp_path / "a.jpg"
    image.write_bytes(b"as prepared")
    member = Member(image, zlib.crc32(b"as prepared"))
    send_shards(store, "good", {"a.jpg": member}, tmp_path / "work")
    image.write_bytes(b"other since")
    with pytest.raises(ValueError, match=r"a\.jpg: .*not the file that was prepared.*make repro"):
        send_shards(store, "bad", {"a.jpg": member}, tmp_path / "work")
    image.unlink()
    with pytest.raises(ValueError, match=r"a\.jpg: .*No such file.*make repro"):
        send_shards(store, "bad", {"a.jpg": member}, tmp_path / "work")
    assert not is_whole(store, "bad") and not (tmp_path / "work").exists()


@pytest.mark.parametrize("back", [bring, bring_shards])
@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "", "a\0"])
def test_no_manifest_leads_out_of_the_folder(
    store: Counting, tmp_path: Path, back: Back, name: str
) -> None:
    row = {"size": 3, "sha256": "0" * 64, "told": {"files": 1, "bytes": 3}}
    store.write("parcel/manifest.json", json.dumps({"files": {name: row}}).encode())
    with pytest.raises(ValueError, match="leaves its folder"):
        back(store, "parcel", tmp_path / "node")
    assert not store.gets and not (tmp_path / "node").exists()


def test_no_digest_leads_out_of_the_folder(store: Counting, tmp_path: Path) -> None:
    """Of a shard it names a file that says that it was unpacked."""
    row = {"size": 3, "sha256": "../../mark", "told": {"files": 1, "bytes": 3}}
    store.write("parcel/manifest.json", json.dumps({"files": {"a": row}}).encode())
    with pytest.raises(ValueError, match="is no sha256"):
        bring_shards(store, "parcel", tmp_path / "node")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": {"a": 1}}', b'{"files": 3}'])
def test_a_manifest_that_is_none_is_refused_and_sent_anew(
    store: Counting, files: dict[str, Path], tmp_path: Path, content: bytes
) -> None:
    store.write("parcel/manifest.json", content)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged.*make repro"):
        bring(store, "parcel", tmp_path / "node")
    send(store, "parcel", files)
    bring(store, "parcel", tmp_path / "node")


@pytest.mark.parametrize("told", [{}, {"files": 1}, {"files": "1", "bytes": 3}, {"files": -1}])
def test_shards_whose_manifest_does_not_say_what_is_in_them_are_refused(
    store: Counting, tmp_path: Path, told: dict[str, Any]
) -> None:
    row = {"size": 3, "sha256": "0" * 64, "told": told}
    store.write("parcel/manifest.json", json.dumps({"files": {"a.tar": row}}).encode())
    for act in (unpacking_bytes, partial(bring_shards, target=tmp_path / "node")):
        with pytest.raises(ValueError, match=r"damaged \(how much is in a\.tar .*make repro"):
            act(store, "parcel")
    assert not store.gets and not (tmp_path / "node").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../out", b"0"), ("//tmp/out", b"0"), ("link", tarfile.SYMTYPE), ("dev", tarfile.CHRTYPE)],
)
def test_no_tar_leads_out_of_the_folder(tmp_path: Path, name: str, kind: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc"
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(info, BytesIO(b""))
    with pytest.raises(ValueError, match=r"is no file|leaves its folder"):
        unpack(tmp_path / "a.tar", tmp_path / "node")


def test_a_node_that_lost_what_it_had_unpacked_says_so_and_begins_again(
    store: Counting, files: dict[str, Path], tmp_path: Path
) -> None:
    send_as_shards(store, "parcel", files)
    store.breaks, node = 5, tmp_path / "node"
    with pytest.raises(ValueError, match="the line is cut"):
        bring_shards(store, "parcel", node)
    filled = next(path for path in node.rglob("*") if path.is_file() and path.stat().st_size)
    filled.write_bytes(b"")
    store.breaks = 10**9
    with pytest.raises(ValueError, match="removed: the next start brings them again"):
        bring_shards(store, "parcel", node)
    bring_shards(store, "parcel", node)
    assert content_of(node) == {name: p.read_bytes() for name, p in files.items()}


def test_the_room_that_unpacking_takes_is_told(store: Counting, files: dict[str, Path]) -> None:
    send_as_shards(store, "parcel", files)
    pieces = read_manifest(store, "parcel").values()
    assert len(pieces) > 3
    files_alone = sum(path.stat().st_size for path in files.values())
    two_largest = sum(sorted(piece.size for piece in pieces)[-2:])
    assert unpacking_bytes(store, "parcel") == files_alone + two_largest


def test_a_tar_is_one_that_others_read(tmp_path: Path, files: dict[str, Path]) -> None:
    pack(tmp_path / "a.tar", {name: Member(path) for name, path in files.items()})
    with tarfile.open(tmp_path / "a.tar") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    found = {name: file_digest(tmp_path / "out" / name) for name in files}
    assert found == {name: file_digest(path) for name, path in files.items()}
