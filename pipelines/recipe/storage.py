"""`storage` and `s3` of params.yaml: where clusters without a common disk leave files, and how S3
is reached, for boto3, pyarrow, MLflow and DVC alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.recipe.addresses import check_addresses
from pipelines.recipe.strict import nearest

STORAGE = "LIMBER_STORAGE"  # what the driver decided, for its workers
CHECKSUMS = ("when_required", "when_supported")


@dataclass(frozen=True)
class S3Settings:
    """`s3:` of params.yaml. What the environment says already wins over all of it.

    endpoint: null is AWS; checksums: `when_required` is what S3-compatible servers bear.
    """

    endpoint: str | None = None
    region: str | None = None
    checksums: str = "when_required"

    def variables(self) -> dict[str, str]:
        """{name of an environment variable: value} that boto3, pyarrow, MLflow and DVC read."""
        told = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_REQUEST_CHECKSUM_CALCULATION": self.checksums,
            "AWS_RESPONSE_CHECKSUM_VALIDATION": self.checksums,
        }
        return {name: value for name, value in told.items() if value}


def read_storage(params: Mapping[str, Any]) -> str | None:
    """Address of the store, `$LIMBER_STORAGE` first; None where a common disk does.

    Raises ValueError for what is none.
    """
    given = os.environ.get(STORAGE) or params.get("storage")
    accepted = "s3://bucket/prefix, the absolute path of a folder that all nodes see, or null"
    if given is None:
        return None
    if not isinstance(given, str) or not given:
        raise refusal("params.yaml: storage", given=given, accepted=accepted)
    check_addresses(given, f"params.yaml: storage (or ${STORAGE})")
    folder = "://" not in given
    path = Path(given).expanduser()
    if (folder and not path.is_absolute()) or (not folder and not given.startswith("s3://")):
        raise refusal("params.yaml: storage", given=given, accepted=accepted)
    return str(path) if folder else given.rstrip("/")


def read_s3(params: Mapping[str, Any]) -> S3Settings:
    """`s3:` of params.yaml. Raises ValueError naming the key."""
    given = params.get("s3") or {}
    names = [each.name for each in fields(S3Settings)]
    if not isinstance(given, dict):
        raise refusal("params.yaml: s3", given=given, accepted=f"a mapping of {', '.join(names)}")
    for key, value in given.items():
        if key not in names:
            raise ValueError(f"params.yaml: s3.{key}: unknown key{nearest(key, names)}")
        if value is not None and not isinstance(value, str):
            raise refusal(f"params.yaml: s3.{key}", given=value, accepted="text, or null")
    settings = S3Settings(**{key: value for key, value in given.items() if value is not None})
    if settings.checksums not in CHECKSUMS:
        accepted = ", ".join(CHECKSUMS)
        raise refusal("params.yaml: s3.checksums", given=settings.checksums, accepted=accepted)
    check_endpoint("params.yaml: s3.endpoint", settings.endpoint)
    return settings


def check_endpoint(where: str, given: str | None) -> None:
    """Raises ValueError for what is no address of a server. where: it stands there."""
    if given and not given.startswith(("http://", "https://")):
        raise refusal(where, given=given, accepted="http://HOST:PORT, https://HOST, or null (AWS)")
