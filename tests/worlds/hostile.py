"""Files that were made to harm: what their heads tell is not what is in them."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np


def promising_jpeg(image: np.ndarray, side: int) -> bytes:
    """A JPEG of the image whose header promises `side` x `side` pixels."""
    content = bytearray(cv2.imencode(".jpg", image)[1].tobytes())
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", side, side)
    return bytes(content)


def zip_bomb(path: Path, size: int = 2 << 20) -> None:
    """A zip of one file of zeros, a thousand times as large as the zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/zeros.jpg", bytes(size))


def encrypted_zip(path: Path) -> None:
    """A zip whose one entry says that it is encrypted."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/a.jpg", b"content")
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(bytes(content))
