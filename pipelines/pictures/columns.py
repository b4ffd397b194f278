"""Pictures set beside and below each other, each under a bar with its title; uint8 RGB."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

GROUND = 30  # grey around pictures
BAR, GAP = 24, 4  # pixels: of a title's bar, between pictures
LARGEST, SMALLEST, STEP = 0.55, 0.35, 0.05  # size of a title's letters
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def fitted(image: np.ndarray, side: int) -> np.ndarray:
    """The picture at its own aspect, its longer side `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=kind))


def captioned(picture: np.ndarray, title: str) -> np.ndarray:
    """The picture below a bar with its title, in letters as large as fit; else the title is cut."""
    width = picture.shape[1]
    bar = np.full((BAR, width, 3), GROUND, np.uint8)
    text, size = _fitting(title, width - 2 * GAP)
    cv2.putText(bar, text, (GAP, BAR - 8), _FONT, size, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """From left to right, tops aligned. Raises ValueError for none."""
    return _joined(pictures, axis=1)


def below(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """From top to bottom, left sides aligned. Raises ValueError for none."""
    return _joined(pictures, axis=0)


def _joined(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    if not pictures:
        raise ValueError("a page needs at least one picture")
    across = max(picture.shape[1 - axis] for picture in pictures)
    parts: list[np.ndarray] = []
    for picture in pictures:
        room = [(0, 0), (0, 0), (0, 0)]
        room[1 - axis] = (0, across - picture.shape[1 - axis])
        room[axis] = (GAP if parts else 0, 0)
        parts.append(np.pad(picture, room, constant_values=GROUND))
    return np.concatenate(parts, axis=axis)


def _fitting(title: str, width: int) -> tuple[str, float]:
    """The title and the size of its letters; what does not fit at the smallest is cut off."""
    size = LARGEST
    while size > SMALLEST and _width(title, size) > width:
        size -= STEP
    text = title
    while text and _width(text, size) > width:
        text = f"{text[:-3]}.." if len(text) > 3 else ""
    return text, size


def _width(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, _FONT, size, 1)[0][0])
