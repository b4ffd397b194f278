"""How S3 is reached: `s3:` of params.yaml, over which the environment wins, as variables that
boto3, pyarrow, MLflow and DVC read alike."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.recipe.params import PARAMS, load_params
from pipelines.recipe.storage import S3Settings, check_endpoint, read_s3

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # boto3 asks the first before the second
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def s3_settings(params: Path = PARAMS) -> S3Settings:
    """What holds here: the environment, else params.yaml. Raises ValueError naming a wrong key."""
    told = read_s3(load_params(params)) if params.is_file() else S3Settings()
    for name in ENDPOINTS:
        check_endpoint(f"${name}", os.environ.get(name))
    return S3Settings(
        endpoint=_named(ENDPOINTS) or told.endpoint,
        region=_named(REGIONS) or told.region,
        checksums=told.checksums,
    )


def s3_variables(params: Path = PARAMS) -> dict[str, str]:
    """What processes that we start are to have in their environment; never a secret."""
    told = s3_settings(params).variables()
    same = ("AWS_ENDPOINT_URL",)  # another one of ours may be of other services than S3
    return {n: (n not in same and os.environ.get(n)) or value for n, value in told.items()}


def use_s3_settings(params: Path = PARAMS) -> None:
    """Sets what is unset in this process's environment, for libraries that ask there alone."""
    here = _named(ENDPOINTS)
    for name, value in s3_variables(params).items():
        if not (here and name.endswith("ENDPOINT_URL")):  # who names one is asked by all of them
            os.environ.setdefault(name, value)


def endpoint_told() -> str:
    """Where S3 is, for a person."""
    return s3_settings().endpoint or "AWS"


def _named(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
