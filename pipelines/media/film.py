"""Pictures as an mp4 that browsers play, with the sound of the video that they are of.

With PyAV: its wheel brings libx264 and copies sound; OpenCV's writer has neither. Written as
NAME.part.mp4 in pieces of two seconds that play as they are, should the process be killed; under
its own name when it is whole.
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import ArgumentError, FFmpegError, InvalidDataError

from pipelines.media.sound import Sound

CLOCK = 90_000  # ticks a second, at least: fine enough for any rate
LONGEST = 16_384  # pixels of a side that libx264 takes
LARGEST = 139_264 * 256  # pixels of H.264's highest level, 6.2: its table A-1
PIECE = 2  # seconds
QUALITY = {"preset": "superfast", "crf": "20", "bf": "0"}  # no picture before its time
PIECES = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}


class Film:
    """One video being written; its size is the first picture's, others are fitted in."""

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float | None, sound: Sound | None
    ) -> None:
        """size: (width, height); odd ones get a row or column more, as H.264 has it, and what it
        does not take gets smaller: `film_size`.

        OSError or FFmpegError where it cannot be written; so the other methods.
        """
        self._path, self._part = path, path.with_name(f"{path.stem}.part{path.suffix}")
        rate = Fraction(fps).limit_denominator(1001) if fps else Fraction(25)
        self._rate = max(rate, Fraction(1, 1001))  # of pictures hours apart, too
        self._ticks = self._rate.numerator * -(-CLOCK // self._rate.numerator)
        self._size = film_size(size)
        self._last = -1
        self._written = 0  # packets of pictures
        path.parent.mkdir(parents=True, exist_ok=True)
        self._output = av.open(str(self._part), "w", format="mp4", options=PIECES)
        self._video = self._pictures()
        try:
            self._video.codec_context.open()
        except FFmpegError:
            self._output.close()
            self._part.unlink()
            if sound is not None:
                sound.close()
            raise
        self._sound = sound
        if sound is not None:
            sound.join(self._output)

    def add(self, image: np.ndarray, seconds: float) -> None:
        """image: uint8 [H, W, 3] RGB; seconds since the first one, growing."""
        picture = av.VideoFrame.from_ndarray(fitted(image, self._size), format="rgb24")
        self._last = max(round(seconds * self._ticks), self._last + 1)
        picture.pts, picture.time_base = self._last, Fraction(1, self._ticks)
        self._write(self._video.encode(picture))
        self._add_sound(seconds)

    def close(self) -> None:
        """What came becomes a whole file; where no picture came, there is none."""
        try:
            self._write(self._video.encode())
            self._add_sound(self._last / self._ticks + float(1 / self._rate))
        except (FFmpegError, OSError):
            with suppress(FFmpegError, OSError):  # a full disk is told by what failed first
                self._output.close()
            raise
        finally:
            if self._sound is not None:
                self._sound.close()
        self._output.close()
        if self._written:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)  # it is begun with the first picture

    def _write(self, packets: list[Any]) -> None:
        self._output.mux(packets)
        self._written += len(packets)

    def _pictures(self) -> Any:
        video: Any = self._output.add_stream("libx264", rate=self._rate, options=QUALITY)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, self._ticks)
        video.codec_context.gop_size = max(round(PIECE * self._rate), 1)
        return video

    def _add_sound(self, until: float) -> None:
        if self._sound is not None:
            for part in self._sound.until(until):
                with suppress(InvalidDataError, ArgumentError):  # damaged, or of a time gone by
                    self._output.mux(part)


def film_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a film of pictures of that size: even, within what H.264 takes."""
    width, height = size
    scale = min(1.0, LONGEST / max(size), (LARGEST / (width * height)) ** 0.5)
    if scale < 1:
        return max(int(width * scale) // 2 * 2, 2), max(int(height * scale) // 2 * 2, 2)
    return width + width % 2, height + height % 2


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image within (width, height): a row or column repeated, or, of a stream that changes its
    size, smaller or larger on black."""
    height, width = image.shape[:2]
    right, below = size[0] - width, size[1] - height
    if right in (0, 1) and below in (0, 1):
        if not right and not below:
            return np.ascontiguousarray(image)
        return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
    scale = min(size[0] / width, size[1] / height)
    inner = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[: inner[1], : inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    return canvas
