"""Whether a store does what clusters ask of it, tried with files that are removed again."""

from __future__ import annotations

import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.store.opening import open_store
from pipelines.store.s3 import renewed, s3_client, split_s3
from pipelines.store.s3_errors import SKEW_S, clock_difference, s3_errors
from pipelines.store.s3_upload import PART
from pipelines.store.settings import endpoint_told
from pipelines.store.store import Store

LARGE = 2 * PART + 1  # bytes: an upload in parts
MIB = 1 << 20
PLACE = "limber-check"
PROBE = re.compile(rf"/\.?{PLACE}-[0-9a-f]{{32}}-(small|large)\b(\.[0-9a-f]{{32}}\.part)?")


def check_store(address: str) -> Generator[str, None, None]:
    """What works, a line each as it was tried; what was written is removed at the end, or when it
    is closed.

    Raises ValueError in words at the first that does not work.
    """
    store = open_store(address)
    remote = address.startswith("s3://")
    yield f"{store.address}" + (f" at {endpoint_told()}" if remote else "")
    mark = uuid.uuid4().hex
    names = [f"{PLACE}-{mark}-{size}" for size in ("small", "large")]
    with _of_the_place():
        store.read(names[0])  # what the first request alone takes is nobody's latency
    try:
        with _of_the_place():
            yield from _small(store, names[0])
            yield from _large(store, names[1])
    finally:
        for name in names:
            with suppress(ValueError):
                store.remove(name)
    store.remove(names[0])
    yield "removes: yes"
    if remote:
        yield _clock(address)
        yield from _unfinished(address)


@contextmanager
def _of_the_place() -> Iterator[None]:
    """What is refused is the place: our own files there nobody knows."""
    try:
        yield
    except ValueError as error:
        raise ValueError(PROBE.sub("", str(error))) from error


def _small(store: Store, name: str) -> Iterator[str]:
    content = os.urandom(64)
    yield f"writes a small file: {_seconds(lambda: store.write(name, content)):.3f} s"
    began = time.perf_counter()
    back = store.read(name)
    if back != content:
        raise refusal(f"{store.address}/{name}", fault="is not what was written")
    yield f"reads it back: {time.perf_counter() - began:.3f} s"
    if store.names(name) != {name: len(content)}:
        fault = "is written and not listed"
        raise refusal(f"{store.address}/{name}", fault=fault, do="allow s3:ListBucket there")
    yield "lists it: yes"


def _large(store: Store, name: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="limber-") as folder:
        sent, back = Path(folder) / "sent", Path(folder) / "back"
        sent.write_bytes(os.urandom(LARGE))
        digest = file_digest(sent)
        up = _seconds(lambda: store.put(sent, name))
        yield f"sends {LARGE / MIB:.0f} MiB in parts: {LARGE / MIB / up:.0f} MiB/s"
        down = _seconds(lambda: store.get(name, back, size=LARGE, sha256=digest))
        yield f"brings them back: {LARGE / MIB / down:.0f} MiB/s"


def _clock(address: str) -> str:
    bucket, _ = split_s3(address)
    with s3_errors(address):
        answer = renewed(lambda: s3_client().head_bucket(Bucket=bucket))
    off = clock_difference(answer["ResponseMetadata"]["HTTPHeaders"].get("date"))
    if off is None:
        return "clock: the server tells no time"
    told = f"clock: {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the server's"
    return told if abs(off) < SKEW_S / 3 else f"{told}: set it (`timedatectl set-ntp true`)"


def _unfinished(address: str) -> Iterator[str]:
    """Uploads that a killed process left take room until somebody removes them."""
    bucket, key = split_s3(address)
    with s3_errors(address):
        answer = renewed(lambda: s3_client().list_multipart_uploads(Bucket=bucket))
    left = [row for row in answer.get("Uploads", ()) if row["Key"].startswith(key)]
    if left:
        yield (
            f"unfinished uploads: {len(left)}, running or of killed processes; a rule of the "
            "bucket (AbortIncompleteMultipartUpload) removes them after some days"
        )


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return max(time.perf_counter() - began, 1e-9)
