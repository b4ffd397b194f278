"""Recipes and params.yaml hold no password: what stands there goes into checkpoints, cards, runs
and tables, where everyone who has those reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.ground.refusal import masked, refusal

FAULT = "an address with a user, a password, a token or a signature, which files would repeat"
DO = (
    "leave that out of it: https takes it from ~/.netrc, s3 from AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY or ~/.aws; or bring the file yourself and name its path"
)


def check_addresses(content: object, where: str) -> None:
    """Raises ValueError, naming the key and no secret, where a text of plain data holds one.

    where: it stands there. What is a secret is what `masked` leaves out.
    """
    for path, text in _texts(content, ""):
        if masked(text) != text:
            raise refusal(f"{where}: {path}" if path else where, fault=FAULT, do=DO)


def check_params(content: Mapping[Any, Any]) -> None:
    """The same of params.yaml, but for `tracking.uri`, whose password is told nowhere."""
    tracking = content.get("tracking")
    if isinstance(tracking, dict):
        content = {**content, "tracking": {k: v for k, v in tracking.items() if k != "uri"}}
    check_addresses(content, "params.yaml")


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """(its place, as `datasets.coco.source`, the text) of all keys and values."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield inner, str(key)
            yield from _texts(each, inner)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, f"{path}[{number}]")
