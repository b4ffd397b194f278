"""What was named on a command line, as sources: photos, folders, videos, cameras, streams.

Nothing here raises for a single bad name: its source says what is wrong when it is read.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from data.files.image_size import header_size
from pipelines.media.frame import Source
from pipelines.media.journal import OVERLAYS, is_drawn
from pipelines.media.live import Camera
from pipelines.media.named import Named, unreadable
from pipelines.media.names import distinct_names
from pipelines.media.photos import SUFFIXES as PHOTOS
from pipelines.media.photos import Photo, is_film
from pipelines.media.remote import REMOTE, S3, named_address, named_in_s3
from pipelines.media.videos import SUFFIXES as VIDEOS
from pipelines.media.videos import Video

CAMERA = re.compile(r"(?:/dev/video)?(\d{1,3})")


def open_sources(
    given: Sequence[str], *, timeout: float = 10.0, out: Path | None = None
) -> list[Source]:
    """Sources in the order given, a folder's by name; each thing once.

    Of a folder (whole, links followed) and of a pattern, what is hidden or by its name neither a
    photo nor a video is left out without a word, and so are overlays that a run drew, or that one
    into `out` is to draw. Names are as `Frame.name`; of two that are the
    same, more of the folders is told. timeout: seconds that a server or camera may be silent.
    """
    found: dict[str, tuple[str, Callable[[str], Source]]] = {}  # by place: name, what makes it
    for each in given:
        for place, name, make in _found(each, timeout, _Drawn(out)):
            found.setdefault(place, (name, make))
    names = distinct_names({place: name for place, (name, _) in found.items()})
    return [make(names[place]) for place, (_, make) in found.items()]


class _Drawn:
    """Tells folders of overlays: those are no sources."""

    def __init__(self, out: Path | None) -> None:
        self._own = None if out is None else os.path.realpath(out / OVERLAYS)

    def __call__(self, folder: Path) -> bool:
        own = folder.name == OVERLAYS and os.path.realpath(folder) == self._own
        return own or is_drawn(folder)

    def below(self, path: Path, top: Path) -> bool:
        """Whether the path lies in such a folder that is itself below `top`."""
        return any(top in folder.parents and self(folder) for folder in path.parents)


def _found(given: str, timeout: float, drawn: _Drawn) -> list[Named]:
    try:
        return list(_named(given, timeout, drawn))
    except OSError as error:  # a name too long, a folder that this user may not enter
        return [unreadable(given, f"cannot be looked at ({error.strerror})")]


def _named(given: str, timeout: float, drawn: _Drawn) -> Iterator[Named]:
    path = Path(given).expanduser()
    if not given:
        yield unreadable(given, "an empty name")
    elif given.startswith(S3):
        yield from named_in_s3(given)
    elif given.startswith(REMOTE):
        yield named_address(given, timeout)
    elif path.is_dir():
        yield from _in_folder(path, given, drawn)
    elif path.is_file():
        yield _file(path, path.name)
    elif camera := CAMERA.fullmatch(given):
        yield _camera(int(camera[1]), timeout)
    elif glob.has_magic(given) and not path.exists():
        yield from _in_pattern(given, drawn)
    else:
        fault = "neither a file nor a folder" if path.exists() else "no such file or folder"
        yield unreadable(given, fault)


def _camera(number: int, timeout: float) -> Named:
    return str(number), f"camera-{number}", lambda name: Camera(name, number, timeout)


def _file(path: Path, name: str) -> Named:
    """By its ending, else by what it holds."""
    if path.exists() and not path.is_file():  # a pipe or socket in a folder, which never ends
        return unreadable(str(path), "neither a file nor a folder")
    suffix = path.suffix.lower()
    moving = suffix in VIDEOS or (suffix not in PHOTOS and header_size(path) is None)
    if moving or (suffix == ".gif" and is_film(path)):
        return _place(path), name, lambda name: Video(name, str(path))
    return _place(path), name, lambda name: Photo(name, path)


def _place(path: Path) -> str:
    """The same for a file that two ways lead to; a link of another name is another file."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - follows links


def _in_folder(folder: Path, given: str, drawn: _Drawn) -> Iterator[Named]:
    found = False
    for path in _walk(folder, drawn):
        found = True
        if isinstance(path, OSError):
            fault = f"cannot be looked into ({path.strerror})"
            yield unreadable(str(path.filename), fault)
        else:
            yield _file(path, path.relative_to(folder).as_posix())
    if not found:
        yield unreadable(given, "a folder without a photo or a video")


def _walk(folder: Path, drawn: _Drawn) -> Iterator[Path | OSError]:
    """Photos and videos below, by name; folders that cannot be looked into; no folder twice, and
    none with overlays."""
    seen: set[str] = set()
    closed: list[OSError] = []
    for top, folders, files in os.walk(folder, onerror=closed.append, followlinks=True):
        if (real := os.path.realpath(top)) in seen:
            folders.clear()
            continue
        seen.add(real)
        shown = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in shown if not drawn(Path(top, name))]
        paths = (Path(top, name) for name in sorted(files) if not name.startswith("."))
        yield from (path for path in paths if path.suffix.lower() in PHOTOS | VIDEOS)
    yield from closed


def _in_pattern(given: str, drawn: _Drawn) -> Iterator[Named]:
    fixed = Path(re.split(r"[*?\[]", given, maxsplit=1)[0] + "x").parent.expanduser()
    found = False
    for path in _matches(str(Path(given).expanduser())):
        if drawn.below(path / "x", fixed):
            continue
        files = _walk(path, drawn) if path.is_dir() else iter((path,))
        for file in files:
            if isinstance(file, Path) and file.suffix.lower() in PHOTOS | VIDEOS:
                found = True
                yield _file(file, file.relative_to(fixed).as_posix())
    if not found:
        yield unreadable(given, "a pattern that no photo or video fits")


def _matches(pattern: str) -> list[Path]:
    """By name; of several ways to one place (`**` follows links, in circles too) the shortest."""
    ways: dict[str, Path] = {}
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - a pattern from any root
    for match in sorted(found, key=lambda way: (way.count("/"), way)):
        ways.setdefault(_place(Path(match)), Path(match))
    return sorted(ways.values())
