"""A folder that all machines see, as a store."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.writable import writable

PART = ".part"  # ends what has not all arrived
SETTING = "`storage` of params.yaml"


class FolderStore:
    """See `store.Store`."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError for a path that is not absolute: every machine must read it alike."""
        if not folder.is_absolute():
            accepted = "s3://bucket/prefix, or the absolute path of a folder that all nodes see"
            raise refusal("storage", given=str(folder), accepted=accepted)
        self.address, self._folder = str(folder), folder

    def put(self, path: Path, name: str) -> None:
        with self._arriving(name) as part:
            shutil.copyfile(path, part)
            if file_digest(part) != file_digest(path):
                fault = f"is not what was sent to {self.address}/{name}, or changed meanwhile"
                raise refusal(path, fault=fault, do="look after that disk, then send it again")

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
        with self._arriving(name) as part:
            part.write_bytes(content)

    def write_new(self, name: str, content: bytes) -> bool:
        with self._part(name) as part:
            part.write_bytes(content)
            try:
                os.link(part, self._folder / name)
            except FileExistsError:
                pass
            except OSError:  # a disk that knows no links
                if self.read(name) is None:
                    part.replace(self._folder / name)
        return self.read(name) == content

    def read(self, name: str) -> bytes | None:
        with self._told():
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def names(self, prefix: str = "") -> dict[str, int]:
        """Looks into the prefix's folder alone, beside others who write and remove there."""
        folder = self._folder / prefix.rpartition("/")[0]
        sizes = {}
        for here, _, files in os.walk(folder):
            for path in (Path(here, file) for file in files if not file.endswith(PART)):
                name = path.relative_to(self._folder).as_posix()
                if name.startswith(prefix):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        sizes[name] = path.stat().st_size
        return dict(sorted(sizes.items()))

    def remove(self, name: str) -> None:
        with writable(self._folder / name, SETTING):
            (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _arriving(self, name: str) -> Iterator[Path]:
        """A file to fill, which takes the place of the one of that name at the end."""
        with self._part(name) as part:
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(self._folder / name)

    @contextmanager
    def _part(self, name: str) -> Iterator[Path]:
        """A file beside the one of that name, to fill, nobody else's; gone at the end.

        Not `whole_file`: machines that see one folder may write the same name at the same time.
        """
        target = self._folder / name
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}{PART}")
        with writable(target, SETTING):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield part
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            fault = f"cannot be read ({error.strerror or error})"
            do = "give this user access to it, and look whether its disk is there"
            raise refusal(error.filename or self.address, fault=fault, do=do) from error
