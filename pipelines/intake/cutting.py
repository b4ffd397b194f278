"""A photo's JPEG data in pieces: cut without loss, by libjpeg-turbo, and held against the photo.

Cut in halves again and again, first into rows of blocks, then each row into pieces, so that a photo
is gone through some ten times and not once per piece. What comes out is decoded and compared with
the photo as training reads it, to the bit: what is not equal is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.files.images import AS_SEEN, RowReader
from data.files.tiles import LENGTH, RESTART, Layout, decode_part, join

TILE = 32  # pixels across, about: a smaller one costs bytes, a larger one reads what is not seen
MOST_ROWS = 1 << 16
_START, _SCAN, _INTERVAL = b"\xff\xd8", 0xDA, b"\xff\xdd\x00\x04"
_FRAMES = (0xC0, 0xC1)  # sequential, Huffman
_BLOCK = 8


class Cut(NamedTuple):
    """A photo in pieces, as the packed file holds it."""

    content: bytes
    layout: Layout


class _Header(NamedTuple):
    """Places in a JPEG: its frame's sides, its scan's header, its data; blocks that are one."""

    frame: int
    scan: int
    data: int
    block: tuple[int, int]


def cut_file(path: str) -> Cut | None:
    """The photo in that file, in pieces; None where it is no JPEG, or comes out otherwise."""
    if path.endswith(AS_SEEN):
        return None
    try:
        content = Path(path).read_bytes()
        cut = _cut(content) if content[:2] == _START else None
        return cut if cut and _equal(cut, RowReader()(path, MOST_ROWS)) else None
    except (ValueError, RuntimeError, OSError, IndexError):  # libjpeg-turbo's are RuntimeError
        return None


def _cut(content: bytes) -> Cut:
    plain = _crop(content, None)
    said = _look(plain)
    (tile_width, tile_height), frame = said.block, said.frame
    height, width = (int.from_bytes(plain[at : at + 2], "big") for at in (frame, frame + 2))
    blocks, down = -(-width // tile_width), -(-height // tile_height)
    most = max(TILE // tile_width, 1)
    together = max(n for n in range(1, most + 1) if blocks % n == 0)  # all pieces are as wide
    tile_width *= together
    across = blocks // together
    pieces = [
        piece[_look(piece).data : -2] + bytes([0xFF, RESTART])
        for row in _split(plain, down, tile_height, tall=True)
        for piece in _split(row, across, tile_width, tall=False)
    ]
    lengths = np.array([len(piece) for piece in pieces])
    if lengths.max() > np.iinfo(LENGTH).max:
        raise ValueError("a piece of more bytes than its length can tell")
    header = plain[: said.scan] + _INTERVAL + together.to_bytes(2, "big")
    header += plain[said.scan : said.data]
    packed = b"".join([header, lengths.astype(LENGTH).tobytes(), *pieces])
    shape = across, down, tile_width, tile_height
    return Cut(packed, Layout(len(header), frame, *shape, width, height))


def _split(jpeg: bytes, count: int, side: int, *, tall: bool) -> Iterator[bytes]:
    """`count` strips, `side` pixels each, from the top or the left."""
    if count == 1:
        yield jpeg
        return
    half = count // 2
    at = half * side
    first, second = ((0, 0, 0, at), (0, at, 0, 0)) if tall else ((0, 0, at, 0), (at, 0, 0, 0))
    yield from _split(_crop(jpeg, first), half, side, tall=tall)
    yield from _split(_crop(jpeg, second), count - half, side, tall=tall)


def _crop(jpeg: bytes, window: tuple[int, int, int, int] | None) -> bytes:
    """A window (x, y, w, h; 0: to the end) of a JPEG, or all of it, with the standard's codes."""
    import turbojpeg

    if window is None:
        return bytes(turbojpeg.transform(jpeg, perfect=False, copynone=True))
    x, y, w, h = window
    cut = turbojpeg.transform(jpeg, x=x, y=y, w=w, h=h, perfect=False, crop=True, copynone=True)
    return bytes(cut)


def _look(jpeg: bytes) -> _Header:
    """Raises ValueError for other than a sequential JPEG of one scan."""
    place, frame, block = 2, 0, (_BLOCK, _BLOCK)
    while jpeg[place] == 0xFF:
        marker, length = jpeg[place + 1], int.from_bytes(jpeg[place + 2 : place + 4], "big")
        behind = place + 2 + length
        if marker in _FRAMES:
            frame = place + 5
            factors = [jpeg[at + 1] for at in range(place + 10, behind, 3)]
            if len(factors) > 1:  # one alone is not interleaved, whatever its factors
                sides = max(f >> 4 for f in factors), max(f & 15 for f in factors)
                block = _BLOCK * sides[0], _BLOCK * sides[1]
        if marker == _SCAN and frame:
            return _Header(frame, place, behind, block)
        place = behind
    raise ValueError("no sequential JPEG")


def _equal(cut: Cut, photo: np.ndarray) -> bool:
    """Whether all pieces together are the photo."""
    whole = 0, 0, cut.layout.width, cut.layout.height
    part = join(cut.layout, lambda place, count: cut.content[place : place + count], whole)
    return np.array_equal(decode_part(part)[..., :3], photo[..., :3])
