"""Image files looked at: are they there, how large, the same bytes as another, or nearly the same?

How alike two pictures look: the correlation of their grey values on a 16 x 16 grid. Another size,
encoding or brightness leaves 0.99 of it, the next frames of a video 0.93 to 0.98, a cut border
0.94; among some tens of real photos no two came above 0.75.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image

from data.datasets.formats.labels import Labels
from data.files.image_size import UNREADABLE, is_within

MOST = 2000  # images of a split that are opened, evenly among them all
GRID = 16
ALIKE = 0.95
LARGE = 16 * GRID  # pixels of the shorter side: an eighth has two in each cell
PLAIN = 4.0  # grey levels: pictures of less deviation are alike for want of anything in them
TURNS = (5, 6, 7, 8)  # of EXIF's orientations, those that swap width and height


@dataclass(frozen=True)
class SeenImage:
    """fault: why it cannot be read, or ""; size (width, height) as stored; orientation: EXIF's
    (1: as stored); turned: by a quarter; digest of its bytes; look: float32 [256] of length 1, None
    for plain pictures."""

    file: str
    fault: str = ""
    size: tuple[int, int] = (0, 0)
    turned: bool = False
    digest: str = ""
    look: np.ndarray | None = None
    orientation: int = 1


def see_images(labels: Labels, folder: Path, most: int = MOST) -> list[SeenImage]:
    """Of at most `most` images of the labels, evenly among them."""
    count = len(labels.images)
    rows = np.unique(np.linspace(0, max(count - 1, 0), min(most, count)).round().astype(int))
    return [see_image(folder, labels.images[row].file) for row in rows]


def see_image(folder: Path, file: str) -> SeenImage:
    """Reads one file; a large jpg is decoded at an eighth of its size."""
    try:
        content = (folder / file).read_bytes()
    except FileNotFoundError:
        return SeenImage(file, "not there")
    except OSError as error:
        return SeenImage(file, f"cannot be read ({error.strerror})")
    try:
        is_within(content, file)
        with Image.open(BytesIO(content)) as image:
            size, turn = image.size, image.getexif().get(ExifTags.Base.Orientation)
            large = image.format == "JPEG" and min(size) >= LARGE
        kind = cv2.IMREAD_REDUCED_GRAYSCALE_8 if large else cv2.IMREAD_GRAYSCALE
        flags = kind | cv2.IMREAD_IGNORE_ORIENTATION
        small = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except (*UNREADABLE, cv2.error):
        small = None
    if small is None:
        return SeenImage(file, "no readable image")
    digest = hashlib.sha256(content).hexdigest()
    told = turn if isinstance(turn, int) else 1
    return SeenImage(file, "", size, told in TURNS, digest, look_of(small), told)


def look_of(grey: np.ndarray) -> np.ndarray | None:
    """The grid of a grey picture [H, W] around its mean; None where next to nothing is on it."""
    cells = cv2.resize(grey.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    cells = (cells - cells.mean()).reshape(-1)
    return None if cells.std() < PLAIN else np.asarray(cells / np.linalg.norm(cells))


def same_bytes(
    first: Sequence[SeenImage], second: Sequence[SeenImage]
) -> list[tuple[SeenImage, SeenImage]]:
    """Pairs of a file of `first` and one of `second` with the same content."""
    known = {each.digest: each for each in first if each.digest}
    return [(known[each.digest], each) for each in second if each.digest in known]


def nearly_same(
    first: Sequence[SeenImage], second: Sequence[SeenImage]
) -> list[tuple[SeenImage, SeenImage]]:
    """Pairs that look alike without being the same bytes: each of `second` with its nearest."""
    a = [each for each in first if each.look is not None]
    b = [each for each in second if each.look is not None]
    if not a or not b:
        return []
    looks = [np.stack([each.look for each in side if each.look is not None]) for side in (a, b)]
    alike = looks[1] @ looks[0].T
    near = alike.argmax(axis=1)
    return [
        (a[near[n]], each)
        for n, each in enumerate(b)
        if alike[n, near[n]] >= ALIKE and a[near[n]].digest != each.digest
    ]
