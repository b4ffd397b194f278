"""Image files in, pixels out; of a JPEG only as many rows as a crop needs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from data.files.frame_size import ALONE, MARK
from data.files.image_size import check_pixels, is_within
from data.ground.refusal import refusal

READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
START = b"\xff\xd8"
ROW_BY_ROW = (0xC0, 0xC1)  # sequential frames: rows from top to bottom, one after another
SCAN = 0xDA
BUFFER = 16 << 20  # bytes; larger images get memory of their own
AS_SEEN = "#exif"  # ends the path of a photo that is read as its EXIF turns it


def as_seen(path: Path) -> Path:
    """The path by which everybody who reads the photo reads it turned, as its EXIF says."""
    return path.with_name(path.name + AS_SEEN)


def read_image(path: Path | str) -> np.ndarray:
    """uint8 [H, W, 3] RGB, or ValueError.

    As stored (no EXIF turn: COCO's labels ignore it), but for paths of `as_seen`.
    """
    file, flags = _how(path)
    try:
        image = cv2.imread(file, flags) if is_within(file, file) else None
    except cv2.error:  # of another size than its header told
        image = None
    if image is None:
        raise _unreadable(file)
    check_pixels(file, image.shape[1], image.shape[0])
    return image


def decode(content: bytes, turned: bool = False, eighth: bool = False) -> np.ndarray | None:
    """A file's content as `read_image` reads it, or None where it does not, or its header
    tells no size. ValueError for one of more pixels than memory is risked for.

    turned: as its EXIF says; eighth: a JPEG's sides an eighth as long, which reads every byte too.
    """
    if not is_within(content, "image"):
        return None
    flags = cv2.IMREAD_REDUCED_COLOR_8 if eighth else cv2.IMREAD_COLOR_RGB
    flags |= 0 if turned else cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:  # of another size than its header told
        image = None
    if image is not None:
        check_pixels("image", image.shape[1], image.shape[0])
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

        What is no plain JPEG, or turned, is read whole, [H, W, 3]. ValueError where there is none,
        or one of more pixels than memory is risked for.
        """
        if str(path).endswith(AS_SEEN):
            return read_image(path)
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
        check_pixels(path, width, height)
        rows = max(min(rows, height), 1)
        content[place], content[place + 1] = rows >> 8, rows & 255
        buffer = self._buffer if rows * width * 4 <= BUFFER else None
        try:
            return np.asarray(simplejpeg.decode_jpeg(content, "RGBX", strict=False, buffer=buffer))
        except ValueError:
            return read_image(path)


def _how(path: Path | str) -> tuple[str, int]:
    """(the file, OpenCV's flags)."""
    name = str(path)
    if name.endswith(AS_SEEN):
        return name.removesuffix(AS_SEEN), cv2.IMREAD_COLOR_RGB
    return name, READ


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
        if content[place + 1] in (MARK, *ALONE):  # no length behind it
            return None
        place += 2 + _number(content, place + 2)
    return None


def _unreadable(path: Path | str) -> ValueError:
    remedy = "`python -m pipelines.prepare DATASET` checks every file"
    return refusal(path, fault="no readable image there", do=remedy)
