"""What one request asks for in all is bounded before any of its images is decoded."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from pipelines.serving.model_input import MOST_BOXES, MOST_PIXELS_AT_ONCE, read_row, rows_of

SMALL = np.zeros((4, 5, 3), np.uint8)
BOX = [0.0, 0.0, 5.0, 4.0]


def promising(width: int, height: int) -> bytes:
    """The start of a PNG, which tells its size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    return start + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\4IDAT" + bytes(8)


LARGE = promising(12_000, 12_000)  # 144,000,000 pixels
FILLED = promising(12_000, 2_000)  # what is missing to 600,000,000 with four of them
FORMS: dict[str, Any] = {
    "bytes": bytes,
    "view": memoryview,
    "base64": lambda content: base64.b64encode(content).decode(),
    "address": lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}",
    "item": lambda content: np.array(base64.b64encode(content).decode()),
}


def test_boxes_of_all_images_count_together() -> None:
    several = [{"image": SMALL, "boxes": [BOX, BOX]}] * (MOST_BOXES // 2)
    assert len(rows_of(several)) == MOST_BOXES // 2
    without = {"image": SMALL}
    said = "^given 1,001 boxes; accepted: at most 1,000 in a request, an image without boxes as one"
    with pytest.raises(ValueError, match=said):
        rows_of([*several, without])
    assert rows_of([*several, {"image": SMALL, "boxes": []}])


@pytest.mark.parametrize("form", FORMS)
def test_pixels_of_all_images_count_together_by_their_headers(form: str) -> None:
    images = [FORMS[form](content) for content in (*[LARGE] * 4, FILLED)]
    assert len(rows_of([{"image": image} for image in images])) == 5
    said = "^given 600,000,020 pixels in its first 6 images; accepted: at most 600,000,000 in a req"
    for small in (SMALL, SMALL.tolist()):
        with pytest.raises(ValueError, match=said):
            rows_of([{"image": image} for image in [*images, small]])


def test_arrays_count_as_well() -> None:
    large = np.broadcast_to(np.zeros(3, np.uint8), (12_000, 12_000, 3))
    most = MOST_PIXELS_AT_ONCE // (12_000 * 12_000)
    assert rows_of([{"image": large}] * most)
    with pytest.raises(ValueError, match=r"^given 720,000,000 pixels in its first 5 images"):
        rows_of([{"image": large}] * (most + 1))


@pytest.mark.parametrize("image", ["no base64", b"", b"no image", 7, {}, [], [[]], [7], None])
def test_what_is_no_image_is_left_to_its_row(image: Any) -> None:
    (row,) = rows_of([{"image": image, "boxes": 7}])
    with pytest.raises(ValueError, match=r"^image 0: image: "):
        read_row(row, "image 0")
