"""Image files in, pixels out; of a JPEG only as many rows as a crop needs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from data.ground.refusal import refusal

READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
START = b"\xff\xd8"
ROW_BY_ROW = (0xC0, 0xC1)  # sequential frames: rows from top to bottom, one after another
SCAN = 0xDA
BUFFER = 16 << 20  # bytes; larger images get memory of their own


def read_image(path: Path | str) -> np.ndarray:
    """uint8 [H, W, 3] RGB as stored (no EXIF turn: COCO's labels ignore it), or ValueError."""
    image = cv2.imread(str(path), READ)
    if image is None:
        raise _unreadable(path)
    return image


class RowReader:
    """Reads the upper rows of images into one buffer: what it returned lives until the next call.

    A JPEG cannot be entered in the middle, but it can be left early: with a smaller height in its
    header the decoder stops there, and the rows above keep their exact values.
    """

    def __init__(self) -> None:
        self._buffer = np.empty(BUFFER, dtype=np.uint8)

    def __call__(self, path: Path | str, rows: int) -> np.ndarray:
        """uint8 [>= min(rows, H), W, 4], RGB and a filler (OpenCV warps four channels faster).

        What is no plain JPEG is read whole, [H, W, 3]. ValueError where there is no image.
        """
        try:
            content = np.fromfile(path, dtype=np.uint8)
        except OSError as error:
            raise _unreadable(path) from error
        view = content.data
        place = _height_place(view)
        height, width = (
            (0, 0) if place is None else (_number(view, place), _number(view, place + 2))
        )
        if place is None or height == 0:  # or stated at the end of the file
            return read_image(path)
        rows = max(min(rows, height), 1)
        content[place], content[place + 1] = rows >> 8, rows & 255
        buffer = self._buffer if rows * width * 4 <= BUFFER else None
        try:
            return np.asarray(simplejpeg.decode_jpeg(content, "RGBX", strict=False, buffer=buffer))
        except ValueError:
            return read_image(path)


def _number(content: memoryview, place: int) -> int:
    return int(content[place] << 8 | content[place + 1])


def _height_place(content: memoryview) -> int | None:
    """Where a JPEG's header keeps the height; None unless its rows are stored one after another."""
    place = 2
    if bytes(content[:2]) != START:
        return None
    while place + 9 < len(content) and content[place] == 0xFF and content[place + 1] != SCAN:
        if content[place + 1] in ROW_BY_ROW:
            return place + 5
        place += 2 + _number(content, place + 2)
    return None


def _unreadable(path: Path | str) -> ValueError:
    remedy = "`dvc repro prepare` checks every file"
    return refusal(path, fault="no readable image there", do=remedy)
