"""Small videos and photos of known pictures, made by PyAV and Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SIZE = (64, 48)
RATE = 16_000  # sound's samples a second, of codecs that leave the choice
SAMPLES = 960  # of a part of sound: what each of them takes


def corners(size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture [H, W, 3] of (width, height): red, green above; blue, white below."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return image


def grey(value: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def colours(image: np.ndarray) -> str:
    """What `corners` shows, left to right, above and below: `RGBW` where it is upright."""
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    names = {RED: "R", GREEN: "G", BLUE: "B", WHITE: "W"}
    return "".join(names.get(tuple((image[at] > 127) * 255), "?") for at in places)


def make_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fps: int | Fraction = 25,
    times: Sequence[float] | None = None,
    turned: tuple[int, bool] = (0, False),
    sound: str | None = None,
    codec: str = "libx264",
    start: int = 0,
) -> Path:
    """times: of each picture in seconds, else by `fps`; turned: (degrees against the clock,
    mirrored after that) as a phone notes it; sound: its codec, as long as the pictures; start: the
    clock's seconds at both their beginnings."""
    with av.open(str(path), "w") as clip:
        stream: Any = clip.add_stream(codec, rate=fps)
        stream.options = {"crf": "12"} if "264" in codec else {}
        stream.height, stream.width = pictures[0].shape[:2]
        odd = stream.width % 2 or stream.height % 2
        kinds = {"rawvideo": "bgr24", "png": "rgb24"}
        stream.pix_fmt = kinds.get(codec, "yuv444p" if odd else "yuv420p")
        tick = 1 / Fraction(fps) if times is None else Fraction(1, 90_000)
        stream.time_base = stream.codec_context.time_base = tick
        if turned != (0, False):
            stream.set_display_rotation(turned[0], hflip=turned[1])
        voice: Any = clip.add_stream(sound, rate=RATE, layout="mono") if sound else None
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            seconds = start + (n / Fraction(fps) if times is None else times[n])
            frame.pts, frame.time_base = round(seconds / tick), tick
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode())
        if voice:
            _speak(clip, voice, len(pictures) / float(fps), start)
    return path


def _speak(clip: Any, voice: Any, seconds: float, start: int) -> None:
    kind = voice.codec_context.format.name
    for n in range(int(seconds * RATE / SAMPLES)):
        wave = np.sin(np.arange(SAMPLES) * 0.2)[None] / 4
        whole = {"s16": np.int16, "s32": np.int32}.get(kind.removesuffix("p"))
        data = (wave * np.iinfo(whole).max).astype(whole) if whole else wave.astype(np.float32)
        part = av.AudioFrame.from_ndarray(data, format=kind, layout="mono")
        part.sample_rate, part.time_base = RATE, Fraction(1, RATE)
        part.pts = start * RATE + n * SAMPLES
        clip.mux(voice.encode(part))
    clip.mux(voice.encode())


def make_photo(path: Path, image: np.ndarray | None = None, orientation: int = 1) -> Path:
    """By the name's ending; orientation: EXIF's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corners() if image is None else image).save(path, exif=exif)
    return path


def read_clip(path: Path) -> tuple[Any, list[float], list[str]]:
    """(its stream of pictures, their times in seconds, codecs of its sounds)."""
    with av.open(str(path)) as clip:
        times = [float(frame.time) for frame in clip.decode(video=0)]
        return clip.streams.video[0], times, [s.codec_context.name for s in clip.streams.audio]
