"""A prefix of a bucket as a store."""

from __future__ import annotations

from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.writable import writable
from pipelines.store.s3 import listed_objects, renewed, s3_client, split_s3
from pipelines.store.s3_download import download_s3, forget_part, object_bytes
from pipelines.store.s3_errors import CODES, GONE, error_code, s3_errors
from pipelines.store.s3_upload import upload_bytes, upload_new, upload_s3


class S3Store:
    """See `store.Store`."""

    def __init__(self, address: str) -> None:
        """address: `s3://bucket/prefix`, or a bucket whole. Raises ValueError for another."""
        split_s3(address)
        self.address = address.rstrip("/")

    def put(self, path: Path, name: str) -> None:
        upload_s3(path, self._at(name))

    def get(self, name: str, target: Path, *, size: int, sha256: str) -> None:
        """What is damaged is brought once more before it is refused."""
        part = target.with_name(f"{target.name}.part")
        with writable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        for again in (True, False):
            download_s3(self._at(name), part, size)
            if part.stat().st_size == size and file_digest(part) == sha256:
                break
            forget_part(part)
            if not again:
                fault = "is damaged (size or sha256 is not that of its manifest)"
                raise refusal(self._at(name), fault=fault, do="remove it there")
        with writable(target):
            part.replace(target)
            forget_part(part)

    def write(self, name: str, content: bytes) -> None:
        upload_bytes(content, self._at(name))

    def write_new(self, name: str, content: bytes) -> bool:
        """One who is told no reads whose it is: an answer may have been lost on its way."""
        if self.read(name) is None:
            upload_new(content, self._at(name))
        return self.read(name) == content

    def read(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        with s3_errors(self._at(name)):
            try:
                return object_bytes(*split_s3(self._at(name)))
            except ClientError as error:
                if CODES.get(error_code(error)) is GONE:
                    return None
                raise

    def names(self, prefix: str = "") -> dict[str, int]:
        found = listed_objects(self.address, prefix)
        return {name: int(row["Size"]) for name, row in sorted(found.items())}

    def remove(self, name: str) -> None:
        bucket, key = split_s3(self._at(name))
        with s3_errors(self._at(name), writing=True):
            renewed(lambda: s3_client().delete_object(Bucket=bucket, Key=key))

    def _at(self, name: str) -> str:
        return f"{self.address}/{name}"
