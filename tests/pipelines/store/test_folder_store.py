"""A shared folder as a store: of several writers each has its own part, others come and go."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from pipelines.store.folder_store import FolderStore


def test_two_that_write_one_name_at_once_both_arrive_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is held up in the middle of its copy while the second comes and goes."""
    store, copy = FolderStore(tmp_path / "store"), shutil.copyfile
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"s" * 10)
    large.write_bytes(b"l" * 1000)
    copied, go_on = threading.Event(), threading.Event()

    def held_up(source: Path, target: Path) -> None:
        copy(source, target)
        if source == small:
            copied.set()
            assert go_on.wait(60)

    monkeypatch.setattr(shutil, "copyfile", held_up)
    failed: list[Exception] = []

    def put() -> None:
        try:
            store.put(small, "a/file")
        except ValueError as error:
            failed.append(error)

    first = threading.Thread(target=put)
    first.start()
    assert copied.wait(60)
    store.put(large, "a/file")
    assert store.read("a/file") == large.read_bytes()
    go_on.set()
    first.join()
    assert not failed and store.read("a/file") == small.read_bytes()
    assert store.names() == {"a/file": 10} and len(list((tmp_path / "store/a").iterdir())) == 1


def test_a_listing_looks_into_its_folder_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for name in ("runs/a-1/x", "runs/a-1/y/z", "runs/a-12/x", "inputs/x"):
        store.write(name, b"1")
    assert list(store.names("runs/a-1/")) == ["runs/a-1/x", "runs/a-1/y/z"]
    assert list(store.names("runs/a-1")) == ["runs/a-1/x", "runs/a-1/y/z", "runs/a-12/x"]
    assert len(store.names()) == 4 and store.names("none/") == {}


def test_of_two_that_take_a_free_name_one_has_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert store.write_new("a/owner", b"first") and not store.write_new("a/owner", b"second")
    assert store.write_new("a/owner", b"first")  # whose answer was lost, and who asks again
    assert store.read("a/owner") == b"first" and len(list((tmp_path / "store/a").iterdir())) == 1


def test_a_full_disk_is_named_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's copies name the file that they read first."""
    store, source = FolderStore(tmp_path / "store"), tmp_path / "source"
    source.write_bytes(b"1")

    def full(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path), None, str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(ValueError, match=r"No space left.*or set `storage` of params") as told:
        store.put(source, "a/file")
    assert str(told.value).startswith(f"{tmp_path}/store/a/.file.")


def test_what_cannot_be_read_or_removed_is_a_refusal(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "folder").mkdir()
    assert store.read("folder") is None and store.read("no/such") is None
    with pytest.raises(ValueError, match="cannot be read"):
        store.read("n" * 300)
    with pytest.raises(ValueError, match="folder: cannot be written"):
        store.remove("folder")
