"""Windows of a split's photos in, pixels out: from pieces of the photo where it lies in such."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.files.images import BUFFER, RowReader
from data.files.tiles import Tiles, Window, decode_part

DEARER = 1.25  # a pixel of pieces beside one of the photo: markers, edges that nobody sees


def worth(size: tuple[int, int], window: Window) -> bool:
    """Whether pieces cost less than the photo, of which all rows down to the window are decoded."""
    (width, height), (left, top, right, bottom) = size, window
    across = min(right, width) - max(left, 0)
    down = min(bottom, height) - max(top, 0)
    return DEARER * across * down < width * min(bottom, height)


class WindowReader:
    """Reads what a view sees of photos: what it returned lives until the next call."""

    def __init__(self, tiles: Tiles | None = None) -> None:
        self._tiles, self._rows = tiles, RowReader()
        self._canvas = np.empty(BUFFER if tiles else 0, dtype=np.uint8)
        self._part = np.empty(BUFFER if tiles else 0, dtype=np.uint8)

    def __call__(self, row: int, path: Path | str, window: Window) -> np.ndarray:
        """uint8 [H, W, 3 or 4] of the photo in that row of the images' table, at `path`.

        Only within the window do its pixels mean anything. Raises ValueError as `RowReader`.
        """
        if self._tiles is not None and row in self._tiles and worth(self._tiles.size(row), window):
            try:
                return self._joined(self._tiles, row, window)
            except (ValueError, OSError):  # the photo itself says what is wrong, if anything is
                pass
        return self._rows(path, window[3])

    def _joined(self, tiles: Tiles, row: int, window: Window) -> np.ndarray:
        """The part of the photo at its place on a canvas of the photo's size: a view of it comes
        out to the bit as of the whole photo, which moved by some pixels it need not."""
        part = tiles.part(row, window)
        width, height = tiles.size(row)
        fits = width * height * 4 <= BUFFER
        pixels = decode_part(part, self._part if part.width * part.height * 4 <= BUFFER else None)
        if (part.width, part.height) == (width, height):
            return pixels
        flat = self._canvas[: width * height * 4] if fits else np.empty(width * height * 4, "u1")
        canvas = flat.reshape(height, width, 4)
        canvas[part.top : part.top + part.height, part.left : part.left + part.width] = pixels
        return canvas
