"""How large an image is by its header: what is risked for it is decided before it is decoded."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image

from data.files.frame_size import floating_size, is_jpeg, jpeg_size
from data.ground.refusal import refusal

MOST_PIXELS = 150_000_000  # of a picture: 450 MB once it is decoded
LONGEST_SIDE = 32_000  # OpenCV moves no pixels of longer ones
TOO_LARGE = (2**31, 2**31)
UNREADABLE = (  # what Pillow's readers of headers raise
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
ACCEPTED = f"at most {MOST_PIXELS:,}, no side longer than {LONGEST_SIDE:,}"


def header_size(image: Path | str | bytes) -> tuple[int, int] | None:
    """(width, height) that the header of a file, or of its content, tells; None where none is told,
    and `TOO_LARGE` where it is more than Pillow itself risks.

    A JPEG's is read as its decoder does: Pillow refuses some that are decoded all the same.
    """
    try:
        with BytesIO(image) if isinstance(image, bytes) else Path(image).open("rb") as file:
            if is_jpeg(file):
                return jpeg_size(file)
            return floating_size(file) or _pillow_size(file)
    except Image.DecompressionBombError:
        return TOO_LARGE
    except UNREADABLE:
        return None


def _pillow_size(file: IO[bytes]) -> tuple[int, int]:
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file) as opened:
            return opened.size


def check_pixels(name: object, width: int, height: int) -> None:
    """Raises ValueError for a picture beyond the limits; name: what a refusal calls it."""
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        size = "too many" if (width, height) == TOO_LARGE else f"{width} x {height}"
        fault = f"{size} pixels, more than memory is risked for"
        raise refusal(name, fault=fault, accepted=ACCEPTED, do="make it smaller")


def is_within(image: str | bytes, name: object) -> bool:
    """Whether the header of a file, or of its content, tells a size; raises ValueError where that
    is beyond the limits. What tells none is decoded by nobody."""
    size = header_size(image)
    if size is not None:
        check_pixels(name, *size)
    return size is not None
