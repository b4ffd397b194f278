"""A store by its address."""

from __future__ import annotations

from pathlib import Path

from data.ground.refusal import refusal
from pipelines.store.folder_store import FolderStore
from pipelines.store.s3_store import S3Store
from pipelines.store.store import Store


def open_store(address: str) -> Store:
    """address: `s3://bucket/prefix`, or a folder's absolute path. Raises ValueError for others."""
    if address.startswith("s3://"):
        return S3Store(address)
    if "://" in address:
        accepted = "s3://bucket/prefix, or the absolute path of a folder that all nodes see"
        raise refusal("storage", given=address, accepted=accepted)
    return FolderStore(Path(address).expanduser())
