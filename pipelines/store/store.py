"""What a store does: files by name, whole or absent, and the same bytes when they come back."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Store(Protocol):
    """Files by names like `runs/NAME/best.pt`. A method that fails raises ValueError, which names
    address, file and what to do; what it was about to replace is as before."""

    address: str  # s3://bucket/prefix, or a folder's path

    def put(self, path: Path, name: str) -> None:
        """The file goes up, verified (size, sha256), and replaces what had that name at once."""

    def get(self, name: str, target: Path, *, size: int, sha256: str) -> None:
        """The file comes down to `target` whole; an interrupted one goes on where it stopped.

        Raises ValueError where it is missing, or not of that size and digest.
        """

    def write(self, name: str, content: bytes) -> None:
        """A small file, as `put`."""

    def write_new(self, name: str, content: bytes) -> bool:
        """As `write`, where there is none of that name: whether what lies there then is ours.

        Of several at the same instant one alone is told so, where the server keeps to
        `If-None-Match` (AWS, MinIO, folders). Where it does not, the last one's content stays.
        """

    def read(self, name: str) -> bytes | None:
        """A small file's content; None where there is none of that name."""

    def names(self, prefix: str = "") -> dict[str, int]:
        """{name: bytes} of all whose name begins with `prefix`."""

    def remove(self, name: str) -> None:
        """Nothing happens where there is none of that name."""
