"""A folder that all machines see, as a store."""

from __future__ import annotations

import shutil
from pathlib import Path

from data.files.whole_file import whole_file
from data.ground.refusal import refusal
from pipelines.host.folders import file_digest, writable


class FolderStore:
    """See `store.Store`."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError for a path that is not absolute: every machine must read it alike."""
        if not folder.is_absolute():
            accepted = "s3://bucket/prefix, or the absolute path of a folder that all nodes see"
            raise refusal("storage", given=str(folder), accepted=accepted)
        self.address, self._folder = str(folder), folder

    def put(self, path: Path, name: str) -> None:
        target = self._folder / name
        part = target.with_name(f".{target.name}.part")
        with writable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, part)
            part.replace(target)

    def get(self, name: str, target: Path, *, size: int, sha256: str) -> None:
        source = self._folder / name
        if not source.is_file():
            raise refusal(f"{self.address}/{name}", fault="no such file in the store")
        part = target.with_name(f"{target.name}.part")
        with writable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part)
        if part.stat().st_size != size or file_digest(part) != sha256:
            part.unlink()
            fault = "is damaged (size or sha256 is not that of its manifest)"
            raise refusal(f"{self.address}/{name}", fault=fault, do="remove it there")
        with writable(target):
            part.replace(target)

    def write(self, name: str, content: bytes) -> None:
        target = self._folder / name
        with writable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target) as file:
                file.write(content)

    def read(self, name: str) -> bytes | None:
        target = self._folder / name
        return target.read_bytes() if target.is_file() else None

    def names(self, prefix: str = "") -> dict[str, int]:
        found = (path for path in self._folder.rglob("*") if path.is_file())
        named = {p.relative_to(self._folder).as_posix(): p for p in found}
        return {
            name: path.stat().st_size
            for name, path in sorted(named.items())
            if name.startswith(prefix) and path.suffix != ".part"
        }

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
