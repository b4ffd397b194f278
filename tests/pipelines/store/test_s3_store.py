"""A prefix of a bucket as a store, on two servers: what goes up comes down, or is refused in words;
after faults of the network too."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from pipelines.store.opening import open_store
from pipelines.store.s3_upload import upload_new

pytestmark = pytest.mark.contract

SMALL = b"a small file"
LARGE = random.Random(0).randbytes(42 << 20)  # six parts, all different


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def get(name: str, target: Path, content: bytes) -> None:
    size, sha256 = len(content), digest(content)
    open_store("s3://bucket/some/where").get(name, target, size=size, sha256=sha256)


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_what_goes_up_comes_down(content: bytes, tmp_path: Path, s3_server: Any) -> None:
    store = open_store("s3://bucket/some/where/")
    (tmp_path / "file").write_bytes(content)
    store.put(tmp_path / "file", "runs/a/file")
    assert store.names() == {"runs/a/file": len(content)}
    get("runs/a/file", tmp_path / "new" / "back", content)
    assert (tmp_path / "new" / "back").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["back"]
    head = s3_server.head_object(Bucket="bucket", Key="some/where/runs/a/file")
    told = {key.lower(): value for key, value in head["Metadata"].items()}
    assert told == {"sha256": digest(content)}


def test_names_are_of_a_beginning_and_a_small_file_is_there_or_none(s3_server: Any) -> None:
    store = open_store("s3://bucket/some/where")
    for name in ("runs/a/one", "runs/ab", "inputs/x"):
        store.write(name, SMALL)
    assert store.names("runs/a") == {"runs/a/one": len(SMALL), "runs/ab": len(SMALL)}
    assert store.names("runs/a/") == {"runs/a/one": len(SMALL)}
    assert store.read("runs/ab") == SMALL and store.read("runs/none") is None
    store.write("runs/ab", b"another")
    assert store.read("runs/ab") == b"another"
    for _ in range(2):
        store.remove("runs/ab")
    assert store.read("runs/ab") is None
    assert store.write_new("runs/ab", b"new") and not store.write_new("runs/ab", b"late")
    assert store.read("runs/ab") == b"new"
    store.remove("runs/ab")
    assert open_store("s3://bucket").names("some/") == {
        "some/where/runs/a/one": len(SMALL),
        "some/where/inputs/x": len(SMALL),
    }


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_name_that_somebody_took_meanwhile_stays_theirs(s3_server: Any) -> None:
    """Between the look and the write; the server keeps to its condition."""
    upload_new(b"theirs", "s3://bucket/runs/owner")
    upload_new(b"ours", "s3://bucket/runs/owner")
    assert open_store("s3://bucket").read("runs/owner") == b"theirs"
