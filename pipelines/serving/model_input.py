"""What a registered model is asked: images and boxes in any of their forms, checked and read.

It travels with every version, beside `pose_model.py`, which serves its refusals.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import warnings
import zlib
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

MOST_PIXELS = 150_000_000  # of an image: 450 MB once it is decoded
LONGEST_SIDE = 32_000  # of an image: OpenCV moves no pixels of longer ones
TOO_LARGE = (2**31, 2**31)
LONGEST = 1e6  # pixels of a box's side
MOST_IMAGES = 1000  # of a request
MOST_BOXES = 1000  # of a request: more people than any image has, and what a core finds in seconds
MOST_PIXELS_AT_ONCE = 600_000_000  # of a request: four of the largest images, 289 of Full HD
UNREADABLE = (  # what Pillow's readers of headers raise
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError,
    RuntimeError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
MOST_SIZE = f"at most {MOST_PIXELS:,} pixels, no side longer than {LONGEST_SIDE:,}"
SHOWN = 80  # characters of what was given that an answer repeats
READ = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # as stored, like COCO's labels
ACCEPTED = (
    "an array [H, W, 3] of whole numbers 0 to 255 (RGB), the bytes of an encoded image (JPEG, "
    "PNG...), or those in base64 as text; a path or an address is never opened: send the file's "
    "content"
)


def rows_of(given: Any) -> list[dict[str, Any]]:
    """A DataFrame, a list of dicts, or one dict (of one image, or of lists of them) -> rows.

    Raises ValueError for more than a request may hold, before any image is decoded.
    """
    if isinstance(given, pd.DataFrame):
        _check_columns(given)
        rows = given.to_dict("records")
    elif isinstance(given, dict):
        rows = _columns_to_rows(given) if _holds_several(given.get("image")) else [given]
    elif isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim):
        rows = list(given)
    else:
        rows = []
    if len(rows) > MOST_IMAGES:
        raise ValueError(f"given {len(rows):,} images; accepted: at most {MOST_IMAGES:,} at once")
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            f"given {type(given).__name__} without an image in it; accepted: a DataFrame or a list "
            'of {"image": ..., "boxes": [[x, y, w, h], ...]}, boxes optional'
        )
    _check_sums(rows)
    return rows


def _check_sums(rows: list[dict[str, Any]]) -> None:
    """Of all that is asked for: each image alone may be small. What `read_row` refuses counts as
    nothing."""
    boxes = sum(_boxes_of(row.get("boxes")) for row in rows)
    if boxes > MOST_BOXES:
        most = f"at most {MOST_BOXES:,} in a request, an image without boxes as one"
        raise ValueError(f"given {boxes:,} boxes; accepted: {most}; send them in several requests")
    pixels = 0
    for number, row in enumerate(rows):
        pixels += _pixels_of(row.get("image"))
        if pixels > MOST_PIXELS_AT_ONCE:
            fault = f"given {pixels:,} pixels in its first {number + 1} images"
            most = f"at most {MOST_PIXELS_AT_ONCE:,} in a request"
            raise ValueError(f"{fault}; accepted: {most}; send them in several requests")


def _boxes_of(given: Any) -> int:
    """How many boxes are given, as their number alone tells."""
    if _is_gap(given):
        return 1  # the whole image
    several = isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.ndim)
    return len(given) if several else 0


def _pixels_of(given: Any) -> int:
    """Of an image in any of its forms, by the header of an encoded one; 0 of none."""
    try:
        content = _content(given, "image")
        if isinstance(content, bytes):
            width, height = _header_size(content, "image")
        else:
            height, width = len(content), len(content[0])
    except (ValueError, TypeError, LookupError):
        return 0
    return 0 if _is_too_large(width, height) else width * height


def _check_columns(given: pd.DataFrame) -> None:
    """pandas takes names that cannot be looked up, and leaves one of two columns of a name out.

    Such a frame cannot even be printed, as MLflow's server does in its answer: it gets other names.
    """
    names = list(given.columns)
    texts = [str(name)[:SHOWN] for name in names]
    if any(not isinstance(name, str) for name in names) or len(set(texts)) < len(texts):
        given.columns = texts
        told = ", ".join(texts[:4])
        raise ValueError(f"given columns {told}; accepted: image, boxes, each once")


def _holds_several(image: Any) -> bool:
    """Whether a dict's `image` is a list of images and not one."""
    if isinstance(image, np.ndarray):
        return image.ndim == 4 or (image.ndim == 1 and image.dtype.kind in "OUS")
    if not isinstance(image, list) or not image:
        return False
    first = image[0]
    return isinstance(first, str | bytes) or (np.ndim(first) == 3)


def _columns_to_rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    images = list(columns["image"])
    boxes = columns.get("boxes")
    boxes = [None] * len(images) if boxes is None else list(boxes)
    if len(boxes) != len(images):
        counts = f"given {len(boxes)} lists for {len(images)} images"
        raise ValueError(f"boxes: {counts}; accepted: one list of boxes per image")
    rest = set(columns) - {"image", "boxes"}
    pairs = zip(images, boxes, strict=True)
    return [{"image": i, "boxes": b, **dict.fromkeys(rest)} for i, b in pairs]


def read_row(row: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray | None]:
    """(image uint8 [H, W, 3] RGB, boxes float64 [N, 4] (x, y, w, h) or None). Raises ValueError."""
    if unknown := sorted(set(map(str, row)) - {"image", "boxes"}):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}; accepted: image, boxes")
    if "image" not in row:
        raise ValueError(f"{where}: no `image`; accepted: {ACCEPTED}")
    image, boxes = (
        _read_image(row["image"], f"{where}: image"),
        _read_boxes(row.get("boxes"), where),
    )
    if boxes is not None:
        _check_inside(boxes, (image.shape[1], image.shape[0]), where)
    return image, boxes


def _read_image(given: Any, where: str) -> np.ndarray:
    """uint8 [H, W, 3] RGB."""
    given = _content(given, where)
    if isinstance(given, bytes):
        return _from_bytes(given, where)
    try:
        image = np.asarray(given)
        if image.dtype == object:  # a column of a DataFrame: lists of lists
            image = np.array(image.tolist())
    except ValueError as error:
        raise ValueError(f"{where}: rows of unequal length; accepted: {ACCEPTED}") from error
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape or image.dtype.kind not in "uif":
        what = f"{type(given).__name__} of shape {list(image.shape)}"
        raise ValueError(f"{where}: given {what}, accepted: {ACCEPTED}")
    if _is_too_large(image.shape[1], image.shape[0]):
        raise ValueError(f"{where}: given shape {list(image.shape)}; accepted: {MOST_SIZE}")
    with np.errstate(invalid="ignore"):
        whole = image.astype(np.uint8)
    if not np.array_equal(whole, image):
        raise ValueError(f"{where}: has values other than whole numbers 0 to 255")
    return np.ascontiguousarray(whole)


def _content(given: Any, where: str) -> Any:
    """The bytes of an encoded image; of another form itself."""
    if isinstance(given, np.ndarray) and given.ndim == 0:  # MLflow's server wraps text
        given = given.item()
    if isinstance(given, str):
        return _from_base64(given, where)
    return bytes(given) if isinstance(given, bytearray | memoryview) else given


def _from_base64(text: str, where: str) -> bytes:
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        fault = f"text {_shown(text)} is not base64"
        raise ValueError(f"{where}: {fault}; accepted: {ACCEPTED}") from error


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _check_size(content: bytes, where: str) -> None:
    """By the header alone: a small file may hold an image that fills the memory."""
    size = _header_size(content, where)
    if _is_too_large(*size):
        raise _too_large(size, where)


def _too_large(size: tuple[int, int], where: str) -> ValueError:
    fault = "too many" if size == TOO_LARGE else f"{size[0]} x {size[1]}"
    return ValueError(f"{where}: {fault} pixels; accepted: {MOST_SIZE}")


def _header_size(content: bytes, where: str) -> tuple[int, int]:
    """(width, height); TOO_LARGE is more than Pillow itself risks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(content)).size
    except Image.DecompressionBombError:
        return TOO_LARGE
    except UNREADABLE as error:
        raise _no_image(content, where) from error


def _is_too_large(width: int, height: int) -> bool:
    return width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE


def _from_bytes(content: bytes, where: str) -> np.ndarray:
    image = None
    if content:
        _check_size(content, where)
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), READ)
        except cv2.error as error:
            raise ValueError(f"{where}: no readable image: {error}") from error
    if image is None:
        raise _no_image(content, where)
    if _is_too_large(image.shape[1], image.shape[0]):  # of another size than its header told
        raise _too_large((image.shape[1], image.shape[0]), where)
    return image


def _no_image(content: bytes, where: str) -> ValueError:
    return ValueError(f"{where}: {len(content)} bytes that are no image; accepted: {ACCEPTED}")


def _read_boxes(given: Any, where: str) -> np.ndarray | None:
    """float64 [N, 4] (x, y, w, h), or None where none are given."""
    if _is_gap(given):
        return None
    shape = "[[x, y, width, height], ...] in image pixels"
    if _boxes_of(given) > MOST_BOXES:
        raise ValueError(f"{where}: {len(given):,} boxes; accepted: at most {MOST_BOXES:,}")
    try:
        boxes = np.array([list(box) for box in given], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where}: boxes: given {_shown(given)}, accepted: {shape}") from error
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{where}: boxes of shape {list(boxes.shape)}; accepted: {shape}")
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= 0).any(axis=1)
    bad |= (np.abs(boxes) > LONGEST).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        bound = f"finite numbers up to {LONGEST:,.0f}, width and height above 0"
        raise ValueError(f"{where}: boxes[{row}]: given {boxes[row].tolist()}; accepted: {bound}")
    return boxes


def _is_gap(given: Any) -> bool:
    """No boxes: left out, or a gap in a DataFrame."""
    return given is None or (isinstance(given, float) and bool(np.isnan(given)))


def _check_inside(boxes: np.ndarray, size: tuple[int, int], where: str) -> None:
    """Raises ValueError for a box that shares no pixel with the image of `size` (width, height)."""
    away = (boxes[:, :2] >= size).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] <= 0).any(axis=1)
    if away.any():
        row = int(away.argmax())
        fault = f"given {boxes[row].tolist()}, outside the image of {size[0]} x {size[1]} pixels"
        accepted = "boxes x, y, width, height that reach into it"
        raise ValueError(f"{where}: boxes[{row}]: {fault}; accepted: {accepted}")
