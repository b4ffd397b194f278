"""S3 and what speaks like it: a client, listings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from data.ground.refusal import refusal
from pipelines.recipe.params import PARAMS
from pipelines.store.s3_errors import has_expired, s3_errors
from pipelines.store.settings import s3_settings

ATTEMPTS = 5  # of one request, each later than the last; $AWS_MAX_ATTEMPTS wins
CONNECTIONS = 32  # at once
SILENCE_S = 60  # $LIMBER_S3_TIMEOUT wins
T = TypeVar("T")


def s3_client() -> Any:
    """boto3's, as params.yaml and the environment say; the same one while they say the same.

    Threads may share it. Raises ValueError for settings that are wrong.
    """
    named = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    changed = PARAMS.stat().st_mtime_ns if PARAMS.is_file() else 0
    return _client(os.getpid(), changed, named)


def renewed(ask: Callable[[], T]) -> T:
    """What S3 answers; asked once more with credentials read anew where they have expired."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if not has_expired(error):
            raise
        _client.cache_clear()
        return ask()


@lru_cache(maxsize=4)
def _client(*_: object) -> Any:
    import boto3
    from botocore.config import Config

    told = s3_settings()
    logging.getLogger("botocore").setLevel(logging.WARNING)  # in workers Ray shows all of it
    settings = Config(
        request_checksum_calculation=told.checksums,
        response_checksum_validation=told.checksums,
        retries={
            "total_max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS),
            "mode": "standard",
        },
        s3={"payload_signing_enabled": True},  # the server refuses what came otherwise than sent
        max_pool_connections=CONNECTIONS,
        connect_timeout=10,
        read_timeout=float(os.environ.get("LIMBER_S3_TIMEOUT") or SILENCE_S),
    )
    with s3_errors("s3"):
        session = boto3.session.Session()  # boto3.client's own is not for several threads
        return session.client(
            "s3", endpoint_url=told.endpoint, region_name=told.region, config=settings
        )


def list_s3(prefix: str) -> dict[str, int]:
    """{key below the prefix: bytes} of all objects under `s3://bucket/prefix`."""
    return {name: int(row["Size"]) for name, row in listed_objects(prefix).items()}


def s3_versions(prefix: str, begins: str = "") -> dict[str, str]:
    """{key below the prefix: its ETag}, of keys that begin so; another content is another tag."""
    return {name: str(row["ETag"]) for name, row in listed_objects(prefix, begins).items()}


def listed_objects(prefix: str, begins: str = "") -> dict[str, Any]:
    """{key below the prefix: its row of the listing (`Size`, `ETag`)}, of keys that begin so."""
    bucket, key = split_s3(prefix)
    folder = f"{key.rstrip('/')}/" if key else ""

    def ask() -> dict[str, Any]:
        lister = s3_client().get_paginator("list_objects_v2")
        pages = lister.paginate(Bucket=bucket, Prefix=f"{folder}{begins}")
        return {
            row["Key"][len(folder) :]: row
            for page in pages
            for row in page.get("Contents", ())
            if not row["Key"].endswith("/")
        }

    with s3_errors(prefix):
        return renewed(ask)


def split_s3(source: str) -> tuple[str, str]:
    bucket, _, key = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise refusal(source, fault="no bucket", accepted="s3://bucket/key")
    return bucket, key
