"""Photos whose JPEG data lie in pieces: any window of one is read and decoded without the rest.

A JPEG cannot be entered in the middle, since its codes have no fixed length and its mean values are
told as differences. Pieces of a lossless crop begin anew, each one row of blocks high; with restart
markers between them (ITU-T T.81, B.2.1) every rectangle of pieces is a JPEG again, whose pixels are
the photo's own. At an edge where a photo goes on, the two outermost rows and columns are not: there
the decoder lacks the colours beside (`data.views.geometry.MARGIN` keeps views away from them).

SPLIT-FORMAT.tiles holds a header, the length of each piece and the pieces, photo after photo;
SPLIT-FORMAT.arrow says where, by rows of the images' table (`COLUMNS`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import simplejpeg

from data.files.table import Table

FORMAT = 1
RESTART, RESTARTS, END = 0xD0, 8, 0xD9  # markers: the first of eight that take turns; the last
LENGTH = np.dtype("<u2")

Window = tuple[int, int, int, int]  # left, top, right, bottom, in the photo's pixels, or beyond it


class Layout(NamedTuple):
    """Of one photo's pieces: bytes of the header, the place in it of height and width; how many
    pieces lie across and down, their pixels, the photo's."""

    header: int
    frame: int
    across: int
    down: int
    tile_width: int
    tile_height: int
    width: int
    height: int


# of the table, int64 each: crc32 of the photo's file; where in the packed file it begins (-1: not
# in pieces), its bytes there, and crc32 of these; its layout
COLUMNS = ("crc32", "start", "size", "digest", *Layout._fields)


def tile_files(folder: Path, split: str) -> tuple[Path, Path]:
    """(packed file, table) of a split."""
    name = f"{split}-{FORMAT}"
    return folder / f"{name}.tiles", folder / f"{name}.arrow"


class Part(NamedTuple):
    """A rectangle of pieces as one JPEG, and where its first pixel lies in the photo."""

    jpeg: bytearray
    left: int
    top: int
    width: int
    height: int


class Tiles:
    """The photos of a split that lie in pieces. Travels to another process by its paths.

    folder: where its files lie, none of which need be there; images: the split's table, whose
    `crc32` says which photos are still those that were cut.
    """

    def __init__(self, folder: Path, split: str, images: Table) -> None:
        self.packed, table = tile_files(Path(folder), split)
        self._table, self._images = Table(table), images

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("_file", "starts", "_columns")}

    def __contains__(self, row: int) -> bool:
        return bool(self.starts[row] >= 0) if row < len(self.starts) else False

    def size(self, row: int) -> tuple[int, int]:
        """(width, height) of a photo."""
        return int(self._columns["width"][row]), int(self._columns["height"][row])

    def part(self, row: int, window: Window) -> Part:
        """The pieces of a photo that a window touches.

        Raises ValueError where the packed file is not as its table says.
        """
        layout = Layout(*(int(self._columns[name][row]) for name in Layout._fields))
        start = int(self._columns["start"][row])
        return join(layout, lambda place, count: self._bytes(start + place, count), window)

    def _bytes(self, start: int, count: int) -> bytes:
        self._file.seek(start)
        found = self._file.read(count)
        if len(found) < count:
            raise ValueError(f"{self.packed}: ends too early")
        return found

    @cached_property
    def _file(self) -> BinaryIO:
        return self.packed.open("rb", buffering=0)

    @cached_property
    def starts(self) -> np.ndarray:
        """By row of the images' table where a photo's pieces begin; -1 of those that lie in none.

        Empty where there are no files of pieces, or those of another table of images.
        """
        nothing = np.zeros(0, np.int64)
        if not (self._table.path.is_file() and self.packed.is_file()):
            return nothing
        try:
            told = {name: self._table[name] for name in COLUMNS}
        except ValueError:  # damaged: then the photos are read
            return nothing
        if "crc32" not in self._images.names or len(self._table) != len(self._images):
            return nothing
        whole = told["start"] + told["size"] <= self.packed.stat().st_size
        return np.where(whole & (told["crc32"] == self._images["crc32"]), told["start"], -1)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {name: self._table[name] for name in COLUMNS}


def join(layout: Layout, read: Callable[[int, int], bytes], window: Window) -> Part:
    """The pieces that a window touches, one at least; read: so many bytes from a place on."""
    across, down = layout.across, layout.down
    left, right = _touched(window[0], window[2], layout.tile_width, across)
    top, bottom = _touched(window[1], window[3], layout.tile_height, down)
    before = read(0, layout.header + LENGTH.itemsize * across * down)
    lengths = np.frombuffer(before, LENGTH, offset=layout.header).reshape(down, across)
    ends = np.cumsum(lengths, dtype=np.int64)
    first = int(ends[top * across - 1]) if top else 0
    rows = memoryview(read(len(before) + first, int(ends[bottom * across - 1]) - first))
    ends = ends.reshape(down, across)[top:bottom] - first
    begins = ends[:, left] - lengths[top:bottom, left]
    spans = zip(begins.tolist(), ends[:, right - 1].tolist(), strict=True)
    jpeg = bytearray().join([before[: layout.header], *(rows[a:b] for a, b in spans)])
    x, y = left * layout.tile_width, top * layout.tile_height
    width = min(right * layout.tile_width, layout.width) - x
    height = min(bottom * layout.tile_height, layout.height) - y
    _mark(jpeg, layout.header - 1 + np.cumsum(lengths[top:bottom, left:right], dtype=np.int64))
    jpeg[layout.frame : layout.frame + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return Part(jpeg, x, y, width, height)


def _mark(jpeg: bytearray, places: np.ndarray) -> None:
    """The markers behind pieces, whose last bytes lie there: in turns, and that of the end."""
    content = np.frombuffer(jpeg, np.uint8)
    content[places] = RESTART + np.arange(len(places)) % RESTARTS
    content[places[-1]] = END


def _touched(begin: int, end: int, tile: int, count: int) -> tuple[int, int]:
    """(first, behind the last) of `count` pieces, one at least."""
    first = min(max(begin // tile, 0), count - 1)
    return first, min(max(-(-end // tile), first + 1), count)


def decode_part(part: Part, buffer: np.ndarray | None = None) -> np.ndarray:
    """uint8 [h, w, 4], RGB and a filler. Raises ValueError where it is no JPEG."""
    made = simplejpeg.decode_jpeg(part.jpeg, "RGBX", strict=False, buffer=buffer)
    if made.shape[:2] != (part.height, part.width):
        raise ValueError("a part of another size than it was cut")
    return np.asarray(made)
