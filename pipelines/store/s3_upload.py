"""One file to an object of S3: in parts where it is large, none of which stays where it fails, and
what has arrived is what was read: its size, and the sha256 that travels with it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.store.s3 import renewed, s3_client, split_s3
from pipelines.store.s3_errors import error_code, s3_errors

PART = 8 << 20  # bytes; smaller files go up in one piece
AT_ONCE = 8  # parts in memory, sent beside each other
THERE = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")  # somebody was sooner
UNKNOWN_THERE = ("NotImplemented", "501")  # a server that takes no conditions
SHA256 = "sha256"  # of the whole object, among its metadata


class Read(io.FileIO):
    """A file whose last bytes are not given out where it is no longer what it was."""

    def __init__(self, path: Path, digest: str) -> None:
        """digest: its sha256."""
        super().__init__(path, "rb")
        self._path, self._expected = path, digest
        self._size, self._digest = path.stat().st_size, hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(-1 if size is None else size) or b""
        self._digest.update(content)
        if self.tell() >= self._size and self._digest.hexdigest() != self._expected:
            raise refusal(self._path, fault="was changed while it was sent", do="send it again")
        return content


def upload_s3(path: Path, target: str) -> None:
    """A file to `s3://bucket/key`; what was there before is replaced at once, or stays.

    Raises ValueError in words, also where the file was changed meanwhile.
    """
    if path.stat().st_size <= PART:
        return upload_bytes(path.read_bytes(), target)
    digest = file_digest(path)
    with s3_errors(target, writing=True):
        renewed(lambda: _in_parts(path, target, digest))
        _check(target, path.stat().st_size, digest)
    return None


def upload_bytes(content: bytes, target: str) -> None:
    """As `upload_s3`, of what fits into memory."""
    bucket, key = split_s3(target)
    digest = hashlib.sha256(content).hexdigest()
    tag = hashlib.md5(content, usedforsecurity=False).hexdigest()

    def send() -> Any:
        told = {SHA256: digest}
        return s3_client().put_object(Bucket=bucket, Key=key, Body=content, Metadata=told)

    with s3_errors(target, writing=True):
        answer = renewed(send)
        if answer.get("ETag", "").strip('"') != tag:  # of encrypted objects it is another digest
            _check(target, len(content), digest)


def upload_new(content: bytes, target: str) -> None:
    """As `upload_bytes`; nothing happens where the object is there, on servers that know how."""
    from botocore.exceptions import ClientError

    bucket, key = split_s3(target)
    new = {"Bucket": bucket, "Key": key, "Body": content, "IfNoneMatch": "*"}
    with s3_errors(target, writing=True):
        try:
            renewed(lambda: s3_client().put_object(**new))
            return
        except ClientError as error:
            if error_code(error) in THERE:
                return
            if error_code(error) not in UNKNOWN_THERE:
                raise
    upload_bytes(content, target)


def told_digest(head: dict[str, Any]) -> str | None:
    """The sha256 that travels with an object, from the answer that tells of it."""
    told = {key.lower(): value for key, value in head.get("Metadata", {}).items()}
    return told.get(SHA256)


def _in_parts(path: Path, target: str, digest: str) -> None:
    from boto3.s3.transfer import TransferConfig

    bucket, key = split_s3(target)
    settings = TransferConfig(
        multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=AT_ONCE
    )
    settings.max_in_memory_upload_chunks = AT_ONCE  # type: ignore[attr-defined]
    told = {"Metadata": {SHA256: digest}}
    with Read(path, digest) as file:
        s3_client().upload_fileobj(file, bucket, key, ExtraArgs=told, Config=settings)


def _check(target: str, size: int, digest: str) -> None:
    bucket, key = split_s3(target)
    head = renewed(lambda: s3_client().head_object(Bucket=bucket, Key=key))
    came, told = int(head["ContentLength"]), told_digest(head)
    if came != size or told not in (digest, None):
        fault = f"{came:,} bytes of sha256 {told} are there, {size:,} of {digest} were sent"
        raise refusal(target, fault=fault, do="somebody else writes there too: send it again")
