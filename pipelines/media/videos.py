"""A video or stream in, its frames out: upright, RGB, each with its own time. Read with PyAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import ArgumentError, ExitError, FFmpegError, InvalidDataError

from data.ground.refusal import refusal
from pipelines.host.processes import usable_cores
from pipelines.media.frame import Frame
from pipelines.media.photos import MOST_PIXELS, check_pixels
from pipelines.media.upright import quarters, upright

SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
})  # fmt: skip
FILES = (  # formats that hold their own pictures: no list of other places, no text, no device
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,mjpeg,h264,"
    "hevc,m4v,ivf,dv,nut,wtv,mxf,obu,yuv4mpegpipe"
)
STREAMS = f"{FILES},hls,mpjpeg,live_flv,rtsp,sdp,rtp"
NETWORK = "http,https,httpproxy,tls,tcp,crypto,data,rtsp,rtsps,rtp,srtp,udp"
THREADS = 4  # that decode: each holds pictures of its own
LOST = 100  # parts in a row that cannot be decoded: the rest of it neither
ACCEPTED = "a video with pictures in it (mp4, mov, mkv, webm, avi...)"


class Told(NamedTuple):
    """What a video says of itself: pictures a second, how many, whether it has an end."""

    fps: float | None
    pictures: int | None
    ends: bool


@dataclass(frozen=True)
class Video:
    """A file, or an address (`http://`, `rtsp://`) that ends; `media/live.py` reads those without.

    place: path or address; timeout: seconds that a server may be silent.
    """

    name: str
    place: str
    timeout: float = 10.0
    moving: bool = True
    live: bool = False

    @property
    def fps(self) -> float | None:
        return self._told.fps

    @property
    def count(self) -> int | None:
        return self._told.pictures

    @cached_property
    def _told(self) -> Told:
        try:
            return look(self.name, self.place, self.timeout)
        except ValueError:  # told when its frames are asked for
            return Told(None, None, True)

    def frames(self) -> Iterator[Frame]:
        return read_frames(self.name, self.place, self.timeout)


def look(name: str, place: str, timeout: float) -> Told:
    """Opens it and closes it again. Raises ValueError as `read_frames`."""
    with opened(name, place, timeout) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        length = container.duration and container.duration / av.time_base
        counted = stream.frames or (round(length * rate) if length and rate else 0)
        local = "://" not in place
        return Told(float(rate) if rate else None, counted or None, local or bool(length))


def read_frames(name: str, place: str, timeout: float) -> Iterator[Frame]:
    """All of them, one in memory at a time. ValueError, after those that could be read, where it
    breaks off, hangs, or has none."""
    index, first = 0, None
    with opened(name, place, timeout) as (container, stream):
        told = stream.frames
        for picture in _pictures(container, stream, name):
            time = picture.time
            first = time if first is None else first
            at = None if time is None or first is None else time - first
            yield Frame(name, pixels(picture), index, _seconds(at, index, stream.average_rate))
            index += 1
    if not index:
        raise refusal(name, fault="not one picture could be read", accepted=ACCEPTED)
    if told and index < 0.9 * told - 1:  # edits of a phone hide a few
        fault = f"breaks off after {index} of {told} pictures"
        raise refusal(name, fault=fault, do="copy it again; what was read is kept")


def pixels(picture: av.VideoFrame) -> np.ndarray:
    """uint8 [H, W, 3] RGB, upright."""
    return upright(picture.to_ndarray(format="rgb24"), *quarters(picture))


@contextmanager
def opened(name: str, place: str, timeout: float) -> Iterator[tuple[Any, Any]]:
    """(container, its stream of pictures), closed at the end; errors in words."""
    with errors_of(name, timeout):
        container = av.open(place, timeout=(timeout, timeout), options=options_of(place))
        try:
            stream = container.streams.best("video")
            if stream is None:
                fault = "no pictures in it (sound alone)" if container.streams else "nothing in it"
                raise refusal(name, fault=fault, accepted=ACCEPTED)
            coded: Any = stream.codec_context
            check_pixels(name, coded.width, coded.height)
            coded.options = {"max_pixels": str(MOST_PIXELS)}
            coded.thread_type, coded.thread_count = "AUTO", min(THREADS, usable_cores())
            yield container, stream
        finally:
            container.close()


@contextmanager
def errors_of(name: str, timeout: float) -> Iterator[None]:
    """Turns FFmpeg's errors into refusals that name the source, and no address with a password."""
    try:
        yield
    except ExitError as error:
        do = "check that it sends, and the network"
        raise refusal(name, fault=f"silent for {timeout:g} s", do=do) from error
    except (InvalidDataError, ArgumentError) as error:  # the second: a format that FILES leaves out
        fault = "neither a photo nor a video that can be read (any further)"
        raise refusal(name, fault=fault, accepted=f"a photo, or {ACCEPTED}") from error
    except FFmpegError as error:
        fault = f"cannot be read ({error.strerror or type(error).__name__})"
        raise refusal(name, fault=fault, accepted=f"a photo, or {ACCEPTED}") from error


def told_address(address: str) -> str:
    """Without user, password and what follows `?`: those may be secrets."""
    return re.sub(r"//[^/@]*@", "//", address.partition("?")[0])


def options_of(place: str) -> dict[str, str]:
    """Of FFmpeg: what a file or an address may be, and reach."""
    if "://" not in place:
        return {"format_whitelist": FILES, "protocol_whitelist": "file"}
    options = {"protocol_whitelist": NETWORK, "format_whitelist": STREAMS}
    return options | ({"rtsp_transport": "tcp"} if place.startswith("rtsp") else {})


def _pictures(container: Any, stream: Any, name: str) -> Iterator[av.VideoFrame]:
    """Decoded pictures; parts that are damaged are left out, until too many in a row are."""
    lost = 0
    for packet in container.demux(stream):
        try:
            pictures = packet.decode()
        except InvalidDataError:
            lost += 1
            if lost > LOST:
                raise
            continue
        lost = 0 if pictures else lost
        yield from pictures


def _seconds(at: float | None, index: int, rate: Fraction | None) -> float:
    """A picture without a time of its own comes at its place in the row."""
    if at is not None and at >= 0:
        return at
    return float(index / rate) if rate else float(index) / 25
