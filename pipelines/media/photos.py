"""A photo's file in, its one frame out: upright, RGB, within a limit that is checked beforehand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from data.files.image_size import MOST_PIXELS, UNREADABLE, check_pixels, header_size
from data.files.images import decode
from data.ground.refusal import refusal
from pipelines.intake.image_check import BLACK, Told, check_image
from pipelines.media.frame import Frame

MOST_BYTES = 1 << 30  # of a file: such a picture without compression, 16 bits a colour
SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
ACCEPTED = f"a whole photo of at most {MOST_PIXELS:,} pixels, JPEG or PNG at best"


@dataclass(frozen=True)
class Photo:
    """A file of one picture."""

    name: str
    path: Path
    moving: bool = False
    live: bool = False
    fps: float | None = None
    count: int | None = 1

    def frames(self) -> Iterator[Frame]:
        yield Frame(self.name, read_photo(self.path, self.name))


def read_photo(path: Path, name: str) -> np.ndarray:
    """uint8 [H, W, 3] RGB, turned as EXIF says; what prepare accepts is read.

    name: what a refusal calls it. ValueError for what is missing, empty, cut, no photo or beyond
    the limit, of which the header is asked before a pixel is decoded.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise refusal(name, fault=f"cannot be read ({error.strerror})", do="check it") from error
    if not content:
        fault = f"{size:,} bytes" if size else "an empty file"
        raise refusal(name, fault=fault, accepted=ACCEPTED)
    width, height = header_size(content) or (0, 0)  # of none: nothing is decoded
    check_pixels(name, width, height)
    with _quiet():
        image = _decoded(content)
        if image is None and not has_memory(3 * width * height):
            fault = f"not enough memory for {width} x {height} pixels"
            raise refusal(name, fault=fault, do="make it smaller")
        if image is None or image.max() < BLACK:
            _refuse_unreadable(path, name, black=image is not None)
    assert image is not None
    return image


def has_memory(size: int) -> bool:
    """Whether a picture of so many bytes can be decoded: its pixels, and as many beside them."""
    try:
        np.empty(2 * size, np.uint8)  # asked for, never touched
    except MemoryError:
        return False
    return True


def is_film(path: Path) -> bool:
    """Whether a GIF has several pictures: those are a video's."""
    try:
        with Image.open(path) as image:
            return isinstance(image, GifImageFile) and image.n_frames > 1
    except (*UNREADABLE, Image.DecompressionBombError):
        return False


def _decoded(content: bytes) -> np.ndarray | None:
    try:
        return decode(content, turned=True)
    except cv2.error:  # of another size than its header told
        return None


def _refuse_unreadable(path: Path, name: str, black: bool) -> None:
    """As prepare says it; nothing where prepare takes the photo, `black` as it is."""
    try:
        fault = check_image(Told(str(path), 0, 0, turned=True)).fault
    except (*UNREADABLE, cv2.error):
        fault = None
    if fault or not black:
        raise refusal(name, fault=fault or "image unreadable: corrupt", accepted=ACCEPTED)


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV and Pillow tell on the terminal of what they do not read; here a refusal does."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        cv2.utils.logging.setLogLevel(level)
