"""How large an image is by its header: what is risked for it is decided before it is decoded."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image

from data.ground.refusal import refusal

MOST_PIXELS = 150_000_000  # of a picture: 450 MB once it is decoded
LONGEST_SIDE = 32_000  # OpenCV moves no pixels of longer ones
TIGHTEST = 16  # pixels a byte in the formats whose header Pillow does not know (HDR)
TOO_LARGE = (2**31, 2**31)
UNREADABLE = (  # what Pillow's readers of headers raise
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
ACCEPTED = f"at most {MOST_PIXELS:,}, no side longer than {LONGEST_SIDE:,}"


def header_size(image: Path | str | bytes) -> tuple[int, int] | None:
    """(width, height) that the header of a file, or of its content, tells; None where Pillow knows
    no such picture, and `TOO_LARGE` where it is more than Pillow itself risks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(image) if isinstance(image, bytes) else image) as opened:
                return opened.size
    except Image.DecompressionBombError:
        return TOO_LARGE
    except UNREADABLE:
        return None


def check_pixels(name: object, width: int, height: int) -> None:
    """Raises ValueError for a picture beyond the limits; name: what a refusal calls it."""
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        size = "too many" if (width, height) == TOO_LARGE else f"{width} x {height}"
        fault = f"{size} pixels, more than memory is risked for"
        raise refusal(name, fault=fault, accepted=ACCEPTED, do="make it smaller")


def check_file(path: str) -> None:
    """The same of a file by its header, without one by what its bytes can hold at most; one that is
    not there passes."""
    file = Path(path)
    length = file.stat().st_size if file.is_file() else 0
    check_pixels(path, *(header_size(path) or _held(length)))


def check_content(content: bytes) -> None:
    """The same of a file's content."""
    check_pixels("image", *(header_size(content) or _held(len(content))))


def _held(length: int) -> tuple[int, int]:
    """A size of as many pixels as so many bytes can hold."""
    return length * TIGHTEST // LONGEST_SIDE, LONGEST_SIDE
