"""Opens every image file once: is it there, whole, and of the size that the data set tells?

What decides is the decoder that training reads with (`data.files.images`), so that nothing passes
here that ends a training there.
"""

from __future__ import annotations

import multiprocessing
import os
import warnings
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image

from data.feeds.worker import end_with_parent
from data.files.image_size import UNREADABLE
from data.files.images import AS_SEEN, decode
from pipelines.host.progress import Tally

_FEW = 2000  # below, starting processes costs more than it saves
_AT_ONCE = 64  # images of one errand, and errands ahead of the answers for each process
_AHEAD = 4
SIDEWAYS = (5, 6, 7, 8)  # its values that swap width and height
BLACK = 16  # of 255: what 12 of 16 bits come to
_OTHER_SIZE = "image size differs from the json"
_OTHER_WAY = {  # by whether photos are read turned
    False: "image size is the photo's as seen (EXIF turns it): set `exif: apply` in params.yaml",
    True: "image size is the photo's as stored (EXIF turns it): set `exif: stored` in params.yaml",
}


class Told(NamedTuple):
    """An image as the data set tells it; width and height 0 where it tells none.

    turned: it is read as its EXIF says.
    """

    path: str
    width: int
    height: int
    turned: bool = False


class Seen(NamedTuple):
    """fault: why the file cannot be used, or None; crc32 of its bytes; its size in pixels.

    orientation: EXIF's, 1 where it is stored as it is seen.
    """

    fault: str | None
    crc32: int
    width: int = 0
    height: int = 0
    orientation: int = 1


class Header(NamedTuple):
    """What a file says of itself: its format, its size as stored, EXIF's orientation."""

    format: str
    width: int
    height: int
    orientation: int


def check_images(
    images: Iterable[Told], name: str, workers: int | None = None, most: int = 0
) -> Iterator[Seen]:
    """One answer per image, in order; a few images are asked for ahead of it. Keeps no picture.

    workers: processes that look; None: one per core where there are many images, else none.
    most: how many images come, where it is known, for the line of progress.
    """
    images = iter(images)
    if workers is None:
        first = list(islice(images, _FEW))
        workers = len(os.sched_getaffinity(0)) if len(first) == _FEW else 1
        images = chain(first, images)
    tally = Tally(name, most, "images")
    for seen in _answers(images, workers):
        yield seen
        tally.add()
    tally.close()


def check_image(told: Told) -> Seen:
    """Reads and decodes one file, as training does (jpg at an eighth, which reads every byte)."""
    if told.path.endswith(AS_SEEN):
        return Seen(f"file name ends in {AS_SEEN}, which marks photos that are read turned", 0)
    try:
        content = Path(told.path).read_bytes()
    except FileNotFoundError:
        return Seen("image missing", 0)
    except OSError as error:
        return Seen(f"image unreadable: {error.strerror}", 0)
    crc32 = zlib.crc32(content)
    try:
        width, height, orientation = _look(content, told.turned)
    except ValueError as error:
        return Seen(str(error), crc32)
    size, known = (width, height), told.width > 0 or told.height > 0
    if known and size != (told.width, told.height):
        other = orientation in SIDEWAYS and size == (told.height, told.width)
        return Seen(_OTHER_WAY[told.turned] if other else _OTHER_SIZE, crc32)
    return Seen(None, crc32, *size, orientation)


def _look(content: bytes, turned: bool) -> tuple[int, int, int]:
    """(width, height, EXIF's orientation) as training reads it. ValueError with the reason."""
    header = _header(content)
    jpeg = header is not None and header.format == "JPEG"
    pixels = decode(content, turned, eighth=jpeg)
    if pixels is None:
        raise ValueError(_why_unreadable(content, header))
    orientation = header.orientation if header else 1
    if pixels.max() < BLACK and not jpeg:
        _refuse_few_bits(content)
    if header is None or not jpeg:
        return pixels.shape[1], pixels.shape[0], orientation
    sideways = turned and orientation in SIDEWAYS
    sides = (header.height, header.width) if sideways else (header.width, header.height)
    return *sides, orientation


def _header(content: bytes) -> Header | None:
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(content)) as image:
            warnings.simplefilter("ignore")
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            turns = orientation if orientation in range(1, 9) else 1
            return Header(str(image.format), *image.size, int(turns))
    except Image.DecompressionBombError as error:
        raise ValueError("image unreadable: more pixels than memory is risked for") from error
    except UNREADABLE:
        return None


def _why_unreadable(content: bytes, header: Header | None) -> str:
    """Of a file that training's decoder does not read."""
    if header is None:
        return "image unreadable: corrupt"
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(content)) as image:
            warnings.simplefilter("ignore")
            mode = image.mode
            image.load()
    except UNREADABLE as error:
        return f"image unreadable: {'truncated' if 'truncated' in str(error) else 'corrupt'}"
    return f"image unreadable: {header.format} ({mode}) is not read in training; make it jpg or png"


def _refuse_few_bits(content: bytes) -> None:
    stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is not None and stored.dtype == np.uint16 and stored.any():
        raise ValueError("image of 16 bits that uses 12 at most: read black; stretch its values")


def _answers(images: Iterator[Told], workers: int) -> Iterator[Seen]:
    if workers == 1:
        level = cv2.utils.logging.getLogLevel()
        _say_nothing()
        yield from map(check_image, images)
        cv2.utils.logging.setLogLevel(level)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, context, _begin) as pool:
        asked: deque[Future[list[Seen]]] = deque()
        while some := list(islice(images, _AT_ONCE)):
            asked.append(pool.submit(_check_some, some))
            if len(asked) > _AHEAD * workers:
                yield from asked.popleft().result()
        while asked:
            yield from asked.popleft().result()


def _check_some(images: Sequence[Told]) -> list[Seen]:
    return [check_image(told) for told in images]


def _begin() -> None:
    """Of a process that checks for another one."""
    end_with_parent()
    _say_nothing()


def _say_nothing() -> None:
    """OpenCV tells on the terminal of files that it does not read; here quarantine.csv does."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
