"""An image as a detector's network is fed it, and boxes back to the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

CORNER, CENTRE, STRETCH = "corner", "centre", "stretch"
BGR, RGB = "bgr", "rgb"
AS_IT_IS = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # mean and std of networks that are fed 0 to 255
UNIT = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)  # of those that are fed 0 to 1
IMAGENET_BGR = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
IMAGENET_RGB = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Placed(NamedTuple):
    """Where an image of `whole` (width, height) lies in the input: input = scale * image + offset.

    scale, offset: float64 [2] (x, y).
    """

    scale: np.ndarray
    offset: np.ndarray
    whole: np.ndarray

    def box_image(self, box_input: np.ndarray) -> np.ndarray:
        """float64 [N, 4] (x1, y1, x2, y2) of the input -> of the image, cut to it."""
        corners = np.asarray(box_input, np.float64).reshape(-1, 2, 2)
        inside = np.clip((corners - self.offset) / self.scale, 0, self.whole)
        return inside.reshape(-1, 4)


@dataclass(frozen=True)
class Feeding:
    """fit: corner, centre or stretch; padding: of the rest, 0 to 255; colour: order of channels.

    mean, std: by channel as fed, of pixels of 0 to 255; smooth: shrunk by areas, for networks that
    learned from photos shrunk so, else as cv2's bilinear does.
    """

    fit: str
    padding: int = 114
    colour: str = RGB
    mean: Sequence[float] = AS_IT_IS[0]
    std: Sequence[float] = AS_IT_IS[1]
    smooth: bool = False

    def place(self, image: np.ndarray, canvas: np.ndarray) -> Placed:
        """Draws the image (uint8 [H, W, 3]) into the canvas (uint8 [h, w, 3])."""
        whole = np.array(image.shape[1::-1])
        room = np.array(canvas.shape[1::-1])
        size = room if self.fit == STRETCH else _fitted(whole, room)
        offset = (room - size) // 2 if self.fit == CENTRE else np.zeros(2, np.int64)
        canvas[:] = self.padding
        shrunk = self.smooth and bool((size < whole).all())
        way = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR
        scaled = cv2.resize(image, [int(each) for each in size], interpolation=way)
        (left, top), (width, height) = offset, size
        canvas[top : top + height, left : left + width] = scaled
        return Placed(size / whole, offset.astype(np.float64), whole)

    def fed(self, canvases: np.ndarray, kind: type[np.generic], first: bool) -> np.ndarray:
        """uint8 [B, h, w, 3] RGB -> what the network is fed; first: channels before rows.

        Networks that take whole numbers are fed pixels as they are.
        """
        channels = [2, 1, 0] if self.colour == BGR else [0, 1, 2]
        images, rows, columns, _ = canvases.shape
        shape = (images, 3, rows, columns) if first else canvases.shape
        made = np.empty(shape, kind)
        for number, channel in enumerate(channels):
            part = made[:, number] if first else made[..., number]
            if np.issubdtype(kind, np.floating):
                plain = canvases[..., channel].astype(np.float32)
                plain -= np.float32(self.mean[number])
                part[:] = np.multiply(plain, np.float32(1 / self.std[number]), out=plain)
            else:
                part[:] = canvases[..., channel]
        return made


def _fitted(whole: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The largest size of the image's shape that has room; a pixel at least."""
    return np.clip(np.rint(whole * (room / whole).min()).astype(np.int64), 1, room)
