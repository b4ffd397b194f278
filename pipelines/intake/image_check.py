"""Opens every image file once: is it there, whole, and of the size that the data set tells?"""

from __future__ import annotations

import multiprocessing
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipelines.host.progress import Tally

_FEW = 2000  # below, starting processes costs more than it saves
_AT_ONCE = 64


class Told(NamedTuple):
    """An image as the data set tells it; width and height 0 where it tells none."""

    path: str
    width: int
    height: int


class Seen(NamedTuple):
    """fault: why the file cannot be used, or None; crc32 of its bytes; its size in pixels."""

    fault: str | None
    crc32: int
    width: int = 0
    height: int = 0


def check_images(images: Sequence[Told], name: str, workers: int | None = None) -> list[Seen]:
    """One answer per image, in order. Keeps no picture.

    workers: processes that look; None: one per core where there are many images, else none.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if len(images) >= _FEW else 1
    tally = Tally(name, len(images), "images")
    answers = []
    for seen in _answers(images, workers):
        answers.append(seen)
        tally.add()
    tally.close()
    return answers


def check_image(told: Told) -> Seen:
    """Reads and decodes one file (jpg at an eighth of its size, which still reads every byte)."""
    try:
        content = Path(told.path).read_bytes()
    except FileNotFoundError:
        return Seen("image missing", 0)
    except OSError as error:
        return Seen(f"image unreadable: {error.strerror}", 0)
    crc32 = zlib.crc32(content)
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(content)) as image:
            warnings.simplefilter("ignore")
            size = image.size
            image.draft("RGB", (size[0] // 8, size[1] // 8))
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = "truncated" if "truncated" in str(error) else "corrupt"
        return Seen(f"image unreadable: {why}", crc32)
    known = told.width > 0 or told.height > 0
    if known and size != (told.width, told.height):
        return Seen("image size differs from the json", crc32)
    return Seen(None, crc32, *size)


def _answers(images: Sequence[Told], workers: int) -> Iterator[Seen]:
    if workers == 1:
        yield from map(check_image, images)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(check_image, images, chunksize=_AT_ONCE)
