"""S3 and what speaks like it: a client, listings, errors in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from data.ground.refusal import refusal


def s3_client() -> Any:
    """boto3's, against `$AWS_ENDPOINT_URL` where set; checksums as S3-compatible servers bear."""
    import boto3
    from botocore.config import Config

    settings = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 4, "mode": "standard"},
    )
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    return boto3.client("s3", endpoint_url=endpoint, config=settings)


def list_s3(prefix: str) -> dict[str, int]:
    """{key below the prefix: bytes} of all objects under `s3://bucket/prefix`."""
    return {name: int(row["Size"]) for name, row in _listed(prefix).items()}


def s3_versions(prefix: str, begins: str = "") -> dict[str, str]:
    """{key below the prefix: its ETag}, of keys that begin so; another content is another tag."""
    return {name: str(row["ETag"]) for name, row in _listed(prefix, begins).items()}


def _listed(prefix: str, begins: str = "") -> dict[str, Any]:
    bucket, key = split_s3(prefix)
    folder = f"{key.rstrip('/')}/" if key else ""
    with s3_errors(prefix):
        lister = s3_client().get_paginator("list_objects_v2")
        pages = lister.paginate(Bucket=bucket, Prefix=f"{folder}{begins}")
        return {
            row["Key"][len(folder) :]: row
            for page in pages
            for row in page.get("Contents", ())
            if not row["Key"].endswith("/")
        }


def split_s3(source: str) -> tuple[str, str]:
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise refusal(source, fault="no bucket", accepted="s3://bucket/key")
    return bucket, key


@contextmanager
def s3_errors(source: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "AWS")
        raise refusal(
            source,
            fault=f"cannot be read from {endpoint} ({error})",
            do="check bucket and key, the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, a "
            "profile), AWS_ENDPOINT_URL",
        ) from error
