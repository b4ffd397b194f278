"""The size that a picture's own bytes tell, found as its decoder finds it, where Pillow gives none.

JPEG as libjpeg walks through it; Radiance (HDR) and coloured PFM, which OpenCV reads and Pillow
does not. Nothing is decoded.
"""

from __future__ import annotations

import re
from typing import IO

START = b"\xff\xd8"
MARK = 0xFF
ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})  # markers without a length; FF 00 is none
ENDS = frozenset({0xD9, 0xDA})  # of the picture; a scan, whose frame stood before it
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MOST_STEPS = 100_000  # markers, and bytes between them
HEAD = 4096
HDR = re.compile(  # lines as short as the buffer that OpenCV reads them with
    rb"#\?(?:RADIANCE|RGBE)[^\n\0]{0,99}\n(?:[^\n\0]{1,99}\n)*\n-Y (\d{1,6}) \+X (\d{1,6})\n"
)
PFM = re.compile(rb"PF\n(\d{1,6})[ \n](\d{1,6})\n")


def is_jpeg(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(2) == START


def jpeg_size(file: IO[bytes]) -> tuple[int, int] | None:
    """(width, height) of the first frame; None where none stands before a scan.

    Fill bytes, bytes between segments and markers without a length are passed over, as libjpeg
    does.
    """
    file.seek(2)
    marked = False
    for _ in range(MOST_STEPS):
        if not (byte := file.read(1)):
            return None
        code = byte[0]
        if code == MARK or not marked or code in ALONE:
            marked = code == MARK
            continue
        marked, head = False, file.read(7)
        if code in ENDS or len(head) < 7:
            return None
        if code in FRAMES:
            return int.from_bytes(head[5:7], "big"), int.from_bytes(head[3:5], "big")
        file.seek(max(int.from_bytes(head[:2], "big"), 2) - len(head), 1)
    return None


def floating_size(file: IO[bytes]) -> tuple[int, int] | None:
    """(width, height) of an HDR or a coloured PFM; None of anything else."""
    file.seek(0)
    head = file.read(HEAD)
    if found := HDR.match(head):
        return int(found[2]), int(found[1])
    if found := PFM.match(head):
        return int(found[1]), int(found[2])
    return None
