"""What is written of poses: pictures and videos with skeletons, poses.json, poses.csv, images.json.

Below one folder:
- `overlays/`: a picture of each photo, an mp4 of each video, by their names;
- `poses.json`: COCO's results rows, with names; `images.json`: its images and category, so that
  `COCO("images.json").loadRes("poses.json")` reads them;
- `poses.csv`: a row a person.
An image's id is its name's number where all are photos that have one each (COCO's way), else how
many came before it, and one.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from types import TracebackType

import cv2
import numpy as np
from av.error import FFmpegError

from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.host.signals import uninterrupted
from pipelines.media.film import Film, film_size
from pipelines.media.frame import Frame, Source
from pipelines.media.journal import OVERLAYS, Journal
from pipelines.media.limited import Limited
from pipelines.media.names import file_place, numbered
from pipelines.media.overlays import overlay, write_overlay
from pipelines.media.remote import Brought
from pipelines.media.sound import open_sound
from pipelines.media.videos import Video

DISK = {  # errors of the folder, which every other overlay meets too
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOENT,
    errno.ENOTDIR, errno.EEXIST,
}  # fmt: skip
UNDRAWN = (OSError, FFmpegError, cv2.error, MemoryError, ValueError)


class PoseWriter:
    """Of one run, over any sources, several at once where they are read so.

    Everything on the disk as it comes, whole files at `close`; also a context manager. An overlay
    that cannot be made is told in a line and noted in `faults`, its poses go on. Raises ValueError
    where the folder cannot be written (any further).
    """

    def __init__(
        self,
        folder: Path,
        skeleton: Skeleton,
        *,
        threshold: float,
        overlays: bool = True,
        names: bool = False,
    ) -> None:
        """threshold: keypoints of a score up to it are not drawn; overlays: whether any are drawn;
        names: of keypoints, drawn beside them."""
        self._folder, self._skeleton, self._threshold = folder, skeleton, threshold
        self._overlays, self._names = overlays, names
        self._sources: dict[str, Source] = {}
        self._films: dict[str, Film] = {}
        self._taken: set[str] = set()
        self._closed = False
        self.faults: dict[str, str] = {}  # by source: why there is no overlay, or not all of it
        with writes(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._journal = Journal(folder, skeleton)

    def begin(self, source: Source) -> None:
        """Of a source whose frames are to come."""
        self._sources[source.name] = source

    @uninterrupted()
    def add(self, frame: Frame, poses: Sequence[Pose]) -> np.ndarray | None:
        """Of a source that was begun: its poses, and the picture with them, which is returned (None
        without one). `Pose.id`: who it is, where the source moves."""
        source = self._sources[frame.name]
        with writes(self._folder):
            self._journal.add(frame, poses, source.moving)
        if not self._overlays or source.name in self.faults:
            return None
        drawn = None
        with self._drawing(source):
            look = {"names": self._names, "ids": source.moving}
            drawn = overlay(frame.image, poses, self._skeleton, self._threshold, **look)
            if source.moving:
                self._film(source, drawn).add(drawn, frame.seconds)
            else:
                write_overlay(self._place(frame.name), drawn)
        return drawn

    @uninterrupted()
    def end(self, source: Source) -> None:
        """Of a source that is through, or broke off: its video is whole from here on."""
        self._sources.pop(source.name, None)
        if isinstance(brought := _whole(source), Brought):
            brought.release()
        if (film := self._films.pop(source.name, None)) is not None:
            with self._drawing(source):
                film.close()

    @uninterrupted()
    def close(self) -> None:
        """Ends what was begun, and makes the whole files."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as ends:  # all of them, whichever fails
            ends.callback(self._close_journal)
            for source in self._sources.values():
                ends.callback(self.end, source)

    def _close_journal(self) -> None:
        with writes(self._folder):
            self._journal.close()

    def __enter__(self) -> PoseWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _film(self, source: Source, drawn: np.ndarray) -> Film:
        if source.name not in self._films:
            video = _video(source)
            size = (drawn.shape[1], drawn.shape[0])
            if (inner := film_size(size))[0] < size[0] or inner[1] < size[1]:
                told = f"{inner[0]} x {inner[1]} pixels, H.264 takes no {size[0]} x {size[1]}"
                print(f"{source.name}: its overlay is of {told}", file=sys.stderr, flush=True)
            sound = None
            if video is not None and not video.live:
                sound = open_sound(source.name, video.place, video.timeout)
            path = self._place(str(PurePosixPath(source.name).with_suffix(".mp4")))
            self._films[source.name] = Film(path, size, source.fps, sound)
        return self._films[source.name]

    @contextmanager
    def _drawing(self, source: Source) -> Iterator[None]:
        """What fails here is the overlay's end, and the run's where it is the folder's fault."""
        try:
            with writes(self._folder, DISK):
                yield
        except UnwrittenError:
            raise
        except UNDRAWN as error:
            if (film := self._films.pop(source.name, None)) is not None:
                with suppress(*UNDRAWN):  # what came so far
                    film.close()
            why = "not enough memory" if _is_memory(error) else str(error).partition("\n")[0]
            self.faults[source.name] = fault = f"{source.name}: its overlay cannot be made ({why})"
            print(f"error: {fault}; its poses are kept", file=sys.stderr, flush=True)

    def _place(self, name: str) -> Path:
        """Below overlays/, of no other source of this run."""
        below = file_place(name)
        if below.suffix.lower() not in (".png", ".jpg", ".jpeg", ".mp4"):
            below = below.with_suffix(".jpg")
        free, number = below.as_posix(), 1
        while free.casefold() in self._taken:
            number += 1
            free = numbered(below.as_posix(), number)
        self._taken.add(free.casefold())
        return self._folder / OVERLAYS / free


def _whole(source: Source) -> Source:
    return source.whole if isinstance(source, Limited) else source


def _video(source: Source) -> Video | None:
    """What sound is to be copied from."""
    whole = _whole(source)
    video = whole.video if isinstance(whole, Brought) else whole
    return video if isinstance(video, Video) else None


class UnwrittenError(ValueError):
    """The folder cannot be written."""


def _is_memory(error: BaseException) -> bool:
    short = isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem
    return short or isinstance(error, MemoryError)


@contextmanager
def writes(folder: Path, numbers: Container[int] | None = None) -> Iterator[None]:
    """Turns a failing write (permission, full disk, a file in its place) into a ValueError.

    numbers: of the errors that are (`errno`), else all.
    """
    try:
        yield
    except (OSError, FFmpegError) as error:
        if numbers is not None and error.errno not in numbers:
            raise
        place = error.filename or folder
        fault = f"cannot be written ({error.strerror or error})"
        do = (
            f"give this user write access to {folder} and room on its disk, or name another (--out)"
        )
        raise UnwrittenError(str(refusal(place, fault=fault, do=do))) from error
