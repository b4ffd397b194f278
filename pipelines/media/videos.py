"""A video or stream in, its frames out: upright, RGB, each with its own time. Read with PyAV."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import ArgumentError, ExitError, FFmpegError, InvalidDataError
from av.stream import Disposition

from data.files.image_size import MOST_PIXELS, check_pixels
from data.ground.refusal import refusal
from pipelines.host.processes import usable_cores
from pipelines.media.frame import Frame
from pipelines.media.live import newest
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
TELLING = ("mov", "matroska", "avi", "flv", "asf")  # formats whose head tells the length
SLACK = 0.5  # seconds that such a length may be beside the truth, and 1 of 20
LOST = 100  # parts in a row that cannot be decoded: the rest of it neither
ACCEPTED = "a video with pictures in it (mp4, mov, mkv, webm, avi...)"


class Told(NamedTuple):
    """What a video says of itself: pictures a second, how many, whether it has an end."""

    fps: float | None
    pictures: int | None
    ends: bool


@dataclass(frozen=True)
class Video:
    """A file, or a video or stream at an address (`http://`, `rtsp://`).

    place: path or address; timeout: seconds that a server may be silent.
    """

    name: str
    place: str
    timeout: float = 10.0
    moving: bool = True

    @property
    def live(self) -> bool:
        """Of addresses: what `rtsp://` names, and what tells no length."""
        if "://" not in self.place:
            return False
        return not self._told.ends

    @property
    def fps(self) -> float | None:
        return self._told.fps

    @property
    def count(self) -> int | None:
        return self._told.pictures

    @cached_property
    def _told(self) -> Told:
        if self.place.startswith("rtsp"):  # a camera may bear one reader at a time
            return Told(None, None, False)
        try:
            return look(self.name, self.place, self.timeout)
        except ValueError:  # told when its frames are asked for
            return Told(None, None, True)

    def frames(self) -> Iterator[Frame]:
        if self.live:
            return newest(self._read, self.name, self.timeout)
        return self._read()

    def _read(self) -> Iterator[Frame]:
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
    breaks off, hangs, is damaged, or has none."""
    index = 0
    with opened(name, place, timeout) as (container, stream):
        came, clock = _Came(), _clock(container, stream)
        for picture in _pictures(container, stream, came):
            yield Frame(name, pixels(picture), index, clock(picture, index))
            index += 1
        lacking = _lacking(container, came)
    if not index:
        raise refusal(name, fault="not one picture could be read", accepted=ACCEPTED)
    if lacking or came.lost:
        ends = f"breaks off {lacking:.1f} s before its end" if lacking else ""
        parts = f"{came.lost} parts of it are damaged or lost" if came.lost else ""
        fault = f"{' and '.join(filter(None, (ends, parts)))}; {index} pictures were read and kept"
        raise refusal(name, fault=fault, do="copy it again")


def pixels(picture: av.VideoFrame) -> np.ndarray:
    """uint8 [H, W, 3] RGB, upright."""
    return upright(picture.to_ndarray(format="rgb24"), *quarters(picture))


@contextmanager
def opened(name: str, place: str, timeout: float) -> Iterator[tuple[Any, Any]]:
    """(container, its stream of pictures), closed at the end; errors in words."""
    with errors_of(name, place, timeout):
        container = open_place(place, timeout)
        try:
            stream = container.streams.best("video")
            if stream is not None and stream.disposition & Disposition.attached_pic:
                stream = None  # a song's cover
            coded: Any = stream and stream.codec_context
            if coded is None:
                told = "sound alone" if stream is None else "a codec that is not known here"
                fault = f"no pictures in it ({told})" if container.streams else "nothing in it"
                raise refusal(name, fault=fault, accepted=ACCEPTED)
            check_pixels(name, coded.width, coded.height)
            coded.options = {"max_pixels": str(MOST_PIXELS)}
            coded.thread_type, coded.thread_count = "AUTO", min(THREADS, usable_cores())
            yield container, stream
        finally:
            container.close()


@contextmanager
def errors_of(name: str, place: str, timeout: float) -> Iterator[None]:
    """Turns FFmpeg's errors into refusals that name the source, and no address with a password."""
    try:
        yield
    except ExitError as error:
        do = "check that it sends, and the network"
        raise refusal(name, fault=f"silent for {timeout:g} s", do=do) from error
    except (InvalidDataError, ArgumentError) as error:  # the second: a format that FILES leaves out
        if "://" in place:
            fault = f"sends no video that can be read (any further), or nothing for {timeout:g} s"
            raise refusal(name, fault=fault, do="check address, server and network") from error
        fault = "neither a photo nor a video that can be read (any further)"
        raise refusal(name, fault=fault, accepted=f"a photo, or {ACCEPTED}") from error
    except FFmpegError as error:
        fault = f"cannot be read ({error.strerror or type(error).__name__})"
        raise refusal(name, fault=fault, accepted=f"a photo, or {ACCEPTED}") from error


def open_place(place: str, timeout: float) -> Any:
    """PyAV's container of a path or address. FFmpegError where there is none."""
    how = {"timeout": (timeout, timeout), "options": _options(place), "metadata_errors": "replace"}
    return av.open(place, **how)  # type: ignore[call-overload]


def _options(place: str) -> dict[str, str]:
    """Of FFmpeg: what a file or an address may be, and reach."""
    if "://" not in place:
        return {"format_whitelist": FILES, "protocol_whitelist": "file"}
    options = {"protocol_whitelist": NETWORK, "format_whitelist": STREAMS}
    return options | ({"rtsp_transport": "tcp"} if place.startswith("rtsp") else {})


@dataclass
class _Came:
    """Of a container: seconds that came, of pictures and sound; parts that could not be decoded, or
    not wholly; what else tells of damage."""

    until: float = 0.0
    damaged: int = 0
    without: int = 0  # parts that no picture came of, less pictures beside them
    doubtful: int = 0  # parts before which a broadcast's packets do not go on: damaged, or joined
    skipped: int = 0  # pictures that the times have room for
    clean: bool = False  # a picture came that is whole: what is before a cut's first is no damage
    last: int | None = None

    def count(self, packet: Any, pictures: list[Any]) -> None:
        self.without += bool(packet.size) - len(pictures)
        self.doubtful += packet.is_corrupt
        if packet.dts is not None:
            step = packet.dts - (packet.dts if self.last is None else self.last)
            self.skipped += max(round(step / packet.duration) - 1, 0) if packet.duration else 0
            self.last = packet.dts
        broken = sum(picture.is_corrupt for picture in pictures)
        self.clean = self.clean or len(pictures) > broken
        self.damaged += broken if self.clean else 0

    @property
    def lost(self) -> int:
        """How many parts are damaged or gone: other videos have gaps by their making, and joined
        ones packets that do not go on, not both."""
        gone = max(self.without, 0) + (self.skipped if self.doubtful else 0)
        return max(self.damaged, gone) if self.damaged or self.doubtful else 0


def _pictures(container: Any, stream: Any, came: _Came) -> Iterator[av.VideoFrame]:
    """Decoded pictures; parts that are damaged are left out, until too many in a row are."""
    row = 0
    for packet in _parts(container):
        if packet.pts is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            came.until = max(came.until, end)
        if packet.stream.index != stream.index:
            continue
        try:
            pictures = packet.decode()
        except InvalidDataError:
            row, came.damaged = row + 1, came.damaged + 1
            if row > LOST:
                raise
            continue
        row = 0 if pictures else row
        if container.duration:  # a stream that one came into the middle of is let be
            came.count(packet, pictures)
        yield from pictures


def _parts(container: Any) -> Iterator[Any]:
    """Of pictures and sound; a server that hangs up ends it (what lacks then, `_lacking` tells)."""
    parts = container.demux()
    while True:
        try:
            part = next(parts)
        except StopIteration:
            return
        except OSError as error:
            if error.errno == errno.EIO and "://" in container.name:
                return
            raise
        yield part


def _lacking(container: Any, came: _Came) -> float:
    """Seconds that its head tells and that did not come; 0 where it tells none for sure."""
    if not container.duration or not container.format.name.startswith(TELLING):
        return 0.0
    told = container.duration / av.time_base  # some count it from 0, some from the beginning
    lacking = told - came.until
    return lacking if lacking > SLACK + 0.05 * told else 0.0


def _clock(container: Any, stream: Any) -> Callable[[av.VideoFrame, int], float]:
    """Seconds of each picture since the first, growing: its own time, or, where it has none (AVI
    keeps none), its place in the row."""
    step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
    first, last = None, -step

    def seconds(picture: av.VideoFrame, index: int) -> float:
        nonlocal first, last
        time = None if container.format.name == "avi" else picture.time
        first = time if first is None else first
        at = index * step if time is None or first is None else time - first
        last = at if at > last else last + step
        return last

    return seconds
