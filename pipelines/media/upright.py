"""Pictures of a phone's video as people see them: what its display matrix turns and mirrors."""

from __future__ import annotations

import math
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import Type

UPRIGHT = (0, False)


def quarters(picture: av.VideoFrame) -> tuple[int, bool]:
    """(quarter turns against the clock, mirrored left to right after them).

    The matrix (a, b, u; c, d, v; x, y, w), 32 bits each, sends a point (x, y), y downwards, to
    (a x + c y, b x + d y); ISO 14496-12, 8.2.2. Only quarter turns are followed.
    """
    data = cast(Any, picture.side_data).get(Type.DISPLAYMATRIX)  # typed as by text, is by number
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float)
    mirrored = a * d - b * c < 0
    turn = math.degrees(math.atan2(-b, -a if mirrored else a))
    return round(turn / 90) % 4, bool(mirrored)


def upright(image: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """The image [H, W, 3] turned, then mirrored; in one piece."""
    if (turns, mirrored) == UPRIGHT:
        return image
    turned = np.rot90(image, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
