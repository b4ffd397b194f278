"""One object of S3 to a file: ranges of one version, some at a time, written one after another, so
that what came before an interruption is a beginning that the next attempt goes on from."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.progress import Tally
from pipelines.host.writable import writable
from pipelines.store.s3 import renewed, s3_client, split_s3
from pipelines.store.s3_errors import s3_errors

RANGE = 8 << 20  # bytes: what a lost connection costs at most
AT_ONCE = 4  # ranges in memory
ATTEMPTS = 4  # of a body that was cut short; requests that are refused botocore repeats itself
WHOLE_ATTEMPTS = 2  # of an object that came in pieces and is another one
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

    size: bytes, where they are known. Raises ValueError in words; what came is kept, but where it
    is not what S3 tells of it (`told_md5`).
    """
    bucket, key = split_s3(source)
    with s3_errors(source):
        if size is not None and size <= RANGE and not part.exists():
            content = object_bytes(bucket, key)
            with writable(part):
                part.write_bytes(content)
            return
        for _ in range(WHOLE_ATTEMPTS):
            md5 = _by_ranges(source, part)
            if not md5 or file_digest(part, "md5") == md5:
                return
            forget_part(part)
    raise _damaged(source, WHOLE_ATTEMPTS)


def _by_ranges(source: str, part: Path) -> str:
    """Brings the object piece by piece; what its md5 is to be, "" where S3 does not tell."""
    bucket, key = split_s3(source)
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
    return told_md5(head)


def told_md5(answer: Mapping[str, Any]) -> str:
    """The md5 of an object's content, which its ETag is, but for what was sent in parts or is
    encrypted with a key of its own: "" there."""
    tag, encrypted = (
        str(answer.get("ETag")).strip('"'),
        answer.get("ServerSideEncryption", "AES256"),
    )
    plain = encrypted == "AES256" and not answer.get("SSECustomerAlgorithm")
    return tag if plain and re.fullmatch(r"[0-9a-f]{32}", tag) else ""


def _damaged(source: str, attempts: int) -> ValueError:
    fault = f"is damaged, on the way or there: its md5 is not the one in its ETag, {attempts} times"
    do = "check the network and proxies on the way, or write the object there again"
    return refusal(source, fault=fault, do=do)


def object_bytes(bucket: str, key: str, span: Span | None = None) -> bytes:
    """A small object, or a piece of one, whole: a body that is cut short, or a small object's that
    is damaged, is asked for again.

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
            if len(content) != wanted:
                raise IncompleteReadError(actual_bytes=len(content), expected_bytes=wanted)
            md5 = "" if span else told_md5(answer)
            if not md5 or hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
                return content
            if attempt == ATTEMPTS:
                raise _damaged(f"s3://{bucket}/{key}", ATTEMPTS)
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
