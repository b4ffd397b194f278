"""What networks and servers do between us and S3: gone over where another attempt helps, else told
in words with the mend, with nothing lost."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipelines.store.opening import open_store
from pipelines.store.s3_upload import Read
from tests.worlds.fault_proxy import FaultProxy
from tests.worlds.s3_servers import KEYS

pytestmark = pytest.mark.contract
rclone = pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)

SMALL = b"a small file" * 100
LARGE = bytes(range(256)) * (70 << 10)  # 17.5 MiB: three parts
FIRST, SECOND = 8 << 20, f"bytes={8 << 20}-"
ADDRESS = "s3://bucket/some"


def fetched(target: Path, content: bytes) -> bytes:
    sha256 = hashlib.sha256(content).hexdigest()
    open_store(ADDRESS).get("file", target, size=len(content), sha256=sha256)
    return target.read_bytes()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@rclone
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "does", ["InternalError", "SlowDown", "reset", "cut", "damage", "trickle", "ExpiredToken"]
)
def test_a_fault_that_passes_costs_an_attempt(
    does: str, content: bytes, tmp_path: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    s3_server.put_object(Bucket="bucket", Key="some/file", Body=content)
    s3_faults.add(does, method="GET", times=1)
    assert fetched(tmp_path / "in" / "file", content) == content
    assert left(tmp_path / "in") == ["file"]


@rclone
@pytest.mark.parametrize("does", ["InternalError", "SlowDown", "reset", "ExpiredToken"])
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_sent_again_arrives_once(
    does: str, content: bytes, tmp_path: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    s3_faults.add(does, method="PUT", times=1)
    (tmp_path / "file").write_bytes(content)
    open_store(ADDRESS).put(tmp_path / "file", "file")
    assert s3_server.get_object(Bucket="bucket", Key="some/file")["Body"].read() == content


WORDS = [
    ("AccessDenied", "may not be read.*s3:GetObject", "may not be written.*s3:PutObject"),
    ("ExpiredToken", "credentials have expired.*renew", "credentials have expired.*renew"),
    ("NoSuchBucket", "no bucket 'bucket'", "no bucket 'bucket'"),
    ("SlowDown", "asks to slow down.*with fewer", "asks to slow down.*with fewer"),
    ("InternalError", "the server fails.*its log", "the server fails.*its log"),
    ("QuotaExceeded", "no room left", "no room left.*make room"),
    ("reset", "connection broke|nothing answers", "connection broke|nothing answers"),
]


@rclone
@pytest.mark.parametrize("does, reading, writing", WORDS, ids=[row[0] for row in WORDS])
def test_a_fault_that_stays_is_told_with_its_mend(
    does: str, reading: str, writing: str, tmp_path: Path, s3_faults: FaultProxy
) -> None:
    s3_faults.add(does)
    store = open_store(ADDRESS)
    for words, act in (
        (reading, lambda: fetched(tmp_path / "file", SMALL)),
        (reading, lambda: store.read("file")),
        (writing, lambda: store.write("file", SMALL)),
    ):
        with pytest.raises(ValueError, match=words) as told:
            act()
        whole = does in ("ExpiredToken", "NoSuchBucket") or "nothing answers" in str(told.value)
        where = "s3://bucket: " if whole else "s3://bucket/some/file: "
        assert str(told.value).startswith(where)
        assert s3_faults.address in str(told.value)
    assert not (tmp_path / "file").exists()


@rclone
@pytest.mark.parametrize("seconds, said", [(-4000, "ahead"), (4000, "behind")])
@pytest.mark.parametrize("does", ["RequestTimeTooSkewed", "AccessDenied"])
def test_a_clock_that_is_off_is_told_by_how_much(
    does: str, seconds: float, said: str, s3_faults: FaultProxy
) -> None:
    s3_faults.add(does, seconds=seconds)
    with pytest.raises(ValueError, match=rf"clock is off, (39\d\d|40\d\d) s {said}.*set-ntp"):
        open_store(ADDRESS).read("file")


@rclone
def test_wrong_credentials_and_nobody_there(
    s3_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(ADDRESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(ValueError, match=r"credentials are refused.*AWS_SECRET_ACCESS_KEY"):
        store.write("file", SMALL)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["AWS_SECRET_ACCESS_KEY"])
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"nothing answers there at http://127.0.0.1:9.*endpoint"):
        store.names()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(ValueError, match=r"no credentials are there.*AWS_PROFILE"):
        store.read("file")


@rclone
def test_an_interrupted_one_goes_on_unless_it_was_changed(
    tmp_path: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    s3_server.put_object(Bucket="bucket", Key="some/file", Body=LARGE)
    target = tmp_path / "file"
    s3_faults.add("AccessDenied", method="GET", holds=SECOND)
    with pytest.raises(ValueError, match="may not be read"):
        fetched(target, LARGE)
    assert (tmp_path / "file.part").read_bytes() == LARGE[:FIRST]
    s3_faults.clear()
    assert fetched(target, LARGE) == LARGE
    assert s3_faults.count("GET", "bytes=0-") == 0 and s3_faults.count("GET", "bytes=") == 2

    target.unlink()
    s3_faults.add("AccessDenied", method="GET", holds=SECOND)
    with pytest.raises(ValueError, match="may not be read"):
        fetched(target, LARGE)
    s3_faults.clear()
    changed = LARGE[::-1]
    s3_server.put_object(Bucket="bucket", Key="some/file", Body=changed)
    assert fetched(target, changed) == changed
    assert left(tmp_path) == ["file"]


@rclone
@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_what_stays_damaged_is_refused_and_not_kept(
    content: bytes, tmp_path: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    s3_server.put_object(Bucket="bucket", Key="some/file", Body=content)
    s3_faults.add("damage", method="GET")
    with pytest.raises(ValueError, match="some/file: is damaged"):
        fetched(tmp_path / "in" / "file", content)
    assert left(tmp_path / "in") == []


def test_of_parts_that_fail_none_stays_and_the_old_one_does(
    tmp_path: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    store = open_store(ADDRESS)
    store.write("file", SMALL)
    (tmp_path / "large").write_bytes(LARGE)
    s3_faults.add("AccessDenied", method="PUT", holds="partNumber=2")
    with pytest.raises(ValueError, match="may not be written"):
        store.put(tmp_path / "large", "file")
    assert store.read("file") == SMALL
    assert not s3_server.list_multipart_uploads(Bucket="bucket").get("Uploads")


def test_the_last_bytes_of_a_file_that_was_changed_are_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"what was begun")
    digest = hashlib.sha256(b"what was begun").hexdigest()
    with Read(path, digest) as file:
        assert file.read(4) + file.read(10) == b"what was begun"
    with Read(path, digest) as file:
        assert file.read(4) == b"what"
        path.write_bytes(b"what was ended")
        with pytest.raises(ValueError, match="was changed while it was sent"):
            file.read(10)
