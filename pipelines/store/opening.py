"""A store by its address."""

from __future__ import annotations

from pathlib import Path

from data.ground.refusal import refusal
from pipelines.store.folder_store import FolderStore
from pipelines.store.store import Store


def open_store(address: str) -> Store:
    """address: `s3://bucket/prefix`, or a folder's absolute path. Raises ValueError for others."""
    if "://" in address:
        accepted = "the absolute path of a folder that all nodes see"
        raise refusal("storage", given=address, accepted=accepted)
    return FolderStore(Path(address).expanduser())
