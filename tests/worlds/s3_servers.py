"""S3 servers of the tests' own: moto's, in a thread, which knows what AWS does, and `rclone serve
s3`, a process with files on a disk, which looks at signatures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

KINDS = ("moto", "rclone")
BUCKET = "bucket"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "secret-of-testing"}
PATIENCE_S = 60


def moto_server() -> Iterator[str]:
    """Its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def rclone_server(folder: Path) -> Iterator[str]:
    """Its address; each folder below `folder` is a bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).with_name("rclone")
    command = [str(program), "serve", "s3", str(folder), "--addr", "127.0.0.1:0"]
    command += ["--auth-key", ",".join(KEYS.values()), "--config", "/dev/null"]
    command += ["--vfs-cache-mode", "off"]
    log = folder.with_name(f"{folder.name}.log")
    with log.open("wb") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield _told_address(log, server)
    finally:
        server.kill()
        server.wait()


def variables(address: str) -> dict[str, str]:
    """What a client's environment has of a server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "MLFLOW_S3_ENDPOINT_URL": address,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "AWS_EC2_METADATA_DISABLED": "true",
        **KEYS,
    }


@contextmanager
def served(kind: str, folder: Path) -> Iterator[str]:
    """The address of a server of that kind; what it holds lies in memory, or in `folder`."""
    server = rclone_server(folder) if kind == "rclone" else moto_server()
    address = next(server)
    try:
        yield address
    finally:
        with suppress(StopIteration):
            next(server)


def emptied(address: str, patch: pytest.MonkeyPatch) -> Any:
    """A client of a server that holds an empty bucket `bucket` alone; the environment names it."""
    use(address, patch)
    client = plain_client(address)
    for bucket in [row["Name"] for row in client.list_buckets()["Buckets"]]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for row in page.get("Contents", ()):
                client.delete_object(Bucket=bucket, Key=row["Key"])
        client.delete_bucket(Bucket=bucket)
    client.create_bucket(Bucket=BUCKET)
    return client


@cache
def plain_client(address: str) -> Any:
    """boto3's, that owes nothing to ours and to the environment."""
    import boto3
    from botocore.config import Config

    plain = Config(
        request_checksum_calculation="when_required", response_checksum_validation="when_required"
    )
    told = {"aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"], "region_name": "us-east-1"}
    told |= {"aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
    return boto3.session.Session().client("s3", endpoint_url=address, config=plain, **told)


def use(address: str, patch: pytest.MonkeyPatch, more: Mapping[str, str] | None = None) -> None:
    """This process's environment names the server, until the test is over."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3_"))]:
        patch.delenv(name)
    for name, value in {**variables(address), **(more or {})}.items():
        patch.setenv(name, value)


def _told_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + PATIENCE_S
    while not (told := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
        if server.poll() is not None or time.monotonic() > end:
            raise AssertionError(log.read_text())
        time.sleep(0.02)
    return told[0]
