"""Which file of the user's folder a name in the labels means, and how large it is.

In: names as tools write them: with folders or without, Windows separators, percent signs, addresses
of a server, accents in either spelling. Out: the file below the folder, with `/`.
"""

from __future__ import annotations

import os
import re
import struct
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import ExifTags, Image

from data.datasets.formats.values import SUFFIXES, RowError, shown
from data.ground.refusal import refusal

UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before an uploaded file's name
ADDRESS = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+://")
UNREADABLE = (  # what Pillow's readers of headers raise
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
TURNED = (5, 6, 7, 8)  # EXIF's orientations that swap width and height


class PictureFolder:
    """Raises ValueError where `root` is no folder."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise refusal(root, fault="no such folder of images", do="give the images' folder")
        self.root = root
        self._index: dict[str, list[str]] | None = None

    def find(self, name: object) -> str:
        """The file meant, below the folder; `RowError` where there is none, or more than one.

        Exact names come first; then a file whose path ends as the name does, or the other way
        round, whatever the accents' spelling and the case.
        """
        if not isinstance(name, str) or not name.strip("/\\ ") or "\0" in name or len(name) > 4096:
            raise RowError("no file name")
        for spelled in _spellings(name):
            if self._is_there(spelled):
                return PurePosixPath(spelled).as_posix()
        for spelled in _spellings(name):
            if files := self._ending_as(spelled):
                return _only(files)
        raise RowError(f"no such image below {self.root}: {name[:200]}")

    def find_stem(self, name: str) -> str:
        """The image whose name is `name` but for its suffix; else `RowError`."""
        for suffix in (*SUFFIXES, *(suffix.upper() for suffix in SUFFIXES)):
            if self._is_there(name + suffix):
                return name + suffix
        raise RowError(f"no image of that name below {self.root}: {name[:200]}")

    def all(self) -> Iterator[str]:
        """Every image below the folder, sorted."""
        yield from sorted(
            file
            for files in self._by_name().values()
            for file in files
            if file.lower().endswith(SUFFIXES)
        )

    def size(self, file: str, seen: bool = False) -> tuple[int, int]:
        """(width, height) as stored, or as seen where EXIF turns it; else `RowError`."""
        try:
            with Image.open(self.root / file) as image:
                width, height = image.size
                turned = seen and image.getexif().get(ExifTags.Base.Orientation) in TURNED
        except (*UNREADABLE, Image.DecompressionBombError) as error:
            raise RowError(f"no readable image: {file}") from error
        return (height, width) if turned else (width, height)

    def _is_there(self, name: str) -> bool:
        path = PurePosixPath(name)
        inside = not path.is_absolute() and ".." not in path.parts
        try:
            return inside and (self.root / path).is_file()
        except (OSError, ValueError):  # a name that is too long for the disk
            return False

    def _ending_as(self, name: str) -> list[str]:
        """Files whose path and the name end alike, one being the other's end; the longest ends."""
        wanted = _plain(name)
        by_length: dict[int, list[str]] = defaultdict(list)
        for file in self._by_name().get(wanted[-1] if wanted else "", ()):
            there = _plain(file)
            length = min(len(there), len(wanted))
            if there[-length:] == wanted[-length:]:
                by_length[length].append(file)
        return by_length[max(by_length)] if by_length else []

    def _by_name(self) -> dict[str, list[str]]:
        """Last part of the path -> files, walked once; folders that link in circles are left."""
        if self._index is None:
            self._index, seen = defaultdict(list), set[tuple[int, int]]()
            for folder, folders, files in os.walk(self.root, followlinks=True):
                facts = Path(folder).stat()
                if (facts.st_dev, facts.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((facts.st_dev, facts.st_ino))
                folders.sort()
                for name in (name for name in files if not name.startswith(".")):
                    file = (Path(folder) / name).relative_to(self.root).as_posix()
                    self._index[_plain(name)[-1]].append(file)
        return self._index


def _spellings(name: str) -> Iterator[str]:
    """What the name may stand for, the likeliest first."""
    yield name
    slashed = name.replace("\\", "/")
    yield slashed
    parts = urlsplit(slashed) if ADDRESS.match(slashed) or "?" in slashed else None
    if parts and (local := parse_qs(parts.query).get("d")):  # Label Studio's local files
        yield local[0].replace("\\", "/")
    plain = parts.path if parts else slashed
    yield unquote(plain)
    name = PurePosixPath(unquote(plain)).name
    if UPLOADED.match(name):
        yield UPLOADED.sub("", name)


def _plain(name: str) -> tuple[str, ...]:
    """Parts of a path for comparison: one spelling of accents, one case, no leading dots."""
    text = unicodedata.normalize("NFC", name).casefold()
    return tuple(part for part in text.split("/") if part not in ("", ".", ".."))


def _only(files: list[str]) -> str:
    if len(files) > 1:
        raise RowError(f"several images have that name: {shown(files)}")
    return files[0]
