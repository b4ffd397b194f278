"""One object of S3 to a file: ranges of one version, some at a time, written one after another, so
that what came before an interruption is a beginning that the next attempt goes on from."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from data.ground.refusal import refusal
from pipelines.host.folders import writable
from pipelines.host.progress import Tally
from pipelines.store.s3 import renewed, s3_client, split_s3
from pipelines.store.s3_errors import s3_errors

RANGE = 8 << 20  # bytes: what a lost connection costs at most
AT_ONCE = 4  # ranges in memory
ATTEMPTS = 4  # of a body that was cut short; requests that are refused botocore repeats itself
MIB = 1 << 20


class Version(NamedTuple):
    """Of an object: its ETag, another one for another content, and how many bytes it has."""

    tag: str
    size: int


class Span(NamedTuple):
    """Bytes from `begin` to before `end` of the version that has this ETag."""

    begin: int
    end: int
    tag: str


def download_s3(source: str, part: Path, size: int | None = None) -> None:
    """Brings `s3://bucket/key` to `part`, going on after what it has of the same version.

    size: bytes, where they are known. Raises ValueError in words; what came is kept.
    """
    bucket, key = split_s3(source)
    with s3_errors(source):
        if size is not None and size <= RANGE and not part.exists():
            content = object_bytes(bucket, key)
            with writable(part):
                part.write_bytes(content)
            return
        head = renewed(lambda: s3_client().head_object(Bucket=bucket, Key=key))
        version = Version(str(head["ETag"]), int(head["ContentLength"]))
        done = _done(part, version)
        tally = Tally(source, version.size, "MiB", MIB)
        tally.add(done, fresh=False)
        with writable(part):
            file = part.open("r+b" if done else "wb")
        with file:
            file.seek(done)
            for chunk in _ranges(bucket, key, version, done):
                with writable(part):
                    file.write(chunk)
                tally.add(len(chunk))
        tally.close()


def object_bytes(bucket: str, key: str, span: Span | None = None) -> bytes:
    """A small object, or a piece of one, whole: a body that is cut short is asked for again.

    Raises botocore's errors; ValueError where the object is no longer the version of `span`.
    """
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    more = {"Range": f"bytes={span.begin}-{span.end - 1}", "IfMatch": span.tag} if span else {}
    attempt = 1
    while True:
        answer = renewed(lambda: s3_client().get_object(Bucket=bucket, Key=key, **more))
        if span and answer["ETag"] != span.tag:  # not every server heeds If-Match
            fault, do = "was changed while it was read", "the same command again"
            raise refusal(f"s3://{bucket}/{key}", fault=fault, do=do)
        try:
            content = bytes(answer["Body"].read())
            wanted = span.end - span.begin if span else len(content)
            if len(content) == wanted:
                return content
            raise IncompleteReadError(actual_bytes=len(content), expected_bytes=wanted)
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            if attempt == ATTEMPTS:
                raise
        back_off(attempt)
        attempt += 1


def back_off(attempt: int) -> None:
    """Waits before the next attempt, not as long as others that failed at the same time."""
    time.sleep(random.uniform(0.1, 0.3) * 2**attempt)


def forget_part(part: Path) -> None:
    part.unlink(missing_ok=True)
    version_file(part).unlink(missing_ok=True)


def _ranges(bucket: str, key: str, version: Version, done: int) -> Iterator[bytes]:
    """The bytes from `done` on, in order; `AT_ONCE` pieces are asked for ahead."""
    begins = iter(range(done, version.size, RANGE))
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def ask(begin: int) -> Future[bytes]:
            span = Span(begin, min(begin + RANGE, version.size), version.tag)
            return pool.submit(object_bytes, bucket, key, span)

        asked = deque(ask(begin) for begin in islice(begins, AT_ONCE))
        try:
            while asked:
                yield asked.popleft().result()
                asked.extend(ask(begin) for begin in islice(begins, 1))
        finally:
            for each in asked:
                each.cancel()


def _done(part: Path, version: Version) -> int:
    """Bytes of this version that are there; another version's are thrown away."""
    tag = version_file(part)
    if part.is_file() and tag.is_file() and tag.read_text() == version.tag:
        return min(part.stat().st_size, version.size)
    forget_part(part)
    with writable(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        tag.write_text(version.tag)
    return 0


def version_file(part: Path) -> Path:
    """Beside what came of a download so far: which version of the file that is of."""
    return part.with_name(f"{part.name}.version")
