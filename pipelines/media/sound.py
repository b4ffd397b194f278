"""The sound of a video, part by part, to be put beside pictures that are drawn of it.

Copied where an mp4 takes its kind; else (PCM, Vorbis...) coded as AAC.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import av
from av.error import FFmpegError, InvalidDataError

from pipelines.media.videos import open_place

TAKEN = ("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus")  # by an mp4, and by players
CODED = "aac"  # what others become
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)  # AAC's


class Sound:
    """Parts come in the order of their times, which are those of the pictures: 0 at the first."""

    def __init__(self, container: Any, stream: Any) -> None:
        """stream: of sound, in the container, which is this object's to close."""
        self._stream, self._container = stream, container
        self._copied = _kind(stream) in TAKEN
        self._made: Any = None
        pictures = container.streams.best("video")
        start = pictures.start_time if pictures is not None else None
        self._first = float(start * pictures.time_base) if start else 0.0
        self._parts: Any = None
        self._next: tuple[float, Any] | None = None

    def join(self, output: Any) -> None:
        """Its place in the container of the film; once, before `until`."""
        if self._copied:
            self._made = output.add_stream_from_template(self._stream)
        else:
            self._made = output.add_stream(CODED, **_coded_as(self._stream))
        self._parts = self._read() if self._copied else self._code()
        self._next = next(self._parts, None)

    def until(self, seconds: float) -> Iterator[Any]:
        """What is due by then, each part once."""
        while self._next is not None and self._next[0] <= seconds:
            yield self._next[1]
            self._next = next(self._parts, None)

    def close(self) -> None:
        if self._parts is not None:
            self._parts.close()
        self._container.close()

    def _read(self) -> Any:
        with suppress(FFmpegError):  # a video that breaks off: its pictures tell it
            for part in self._container.demux(self._stream):
                if part.pts is None or part.dts is None:
                    continue
                shift = round(self._first / part.time_base)
                part.pts, part.dts = part.pts - shift, part.dts - shift
                if part.pts >= 0:
                    part.stream = self._made
                    yield float(part.pts * part.time_base), part

    def _code(self) -> Any:
        """Decoded and coded again; what is damaged is left out."""
        with suppress(FFmpegError, ValueError):  # the second: its rate changes on the way
            for part in self._container.demux(self._stream):
                with suppress(InvalidDataError):
                    for frame in part.decode():
                        yield from self._timed(frame)
            yield from self._timed(None)

    def _timed(self, frame: Any) -> Iterator[tuple[float, Any]]:
        if frame is not None:
            if frame.pts is None:
                return
            frame.pts -= round(self._first / frame.time_base)
            if frame.pts < 0:
                return
        for part in self._made.encode(frame):
            if part.pts >= 0:  # the coder's run-up would move all behind it
                yield float(part.pts * part.time_base), part


def _kind(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name)


def _coded_as(stream: Any) -> dict[str, Any]:
    """Of AAC: rate and layout, the source's where it has them."""
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    layout = {1: "mono", 2: "stereo"}.get(channels, stream.codec_context.layout.name)
    return {"rate": rate if rate in RATES else 48_000, "layout": layout}


def _codable(stream: Any) -> bool:
    """Whether AAC takes it."""
    try:
        coder: Any = av.CodecContext.create(CODED, "w")
        how = _coded_as(stream)
        coder.sample_rate, coder.layout, coder.format = how["rate"], how["layout"], "fltp"
        coder.open()
    except (FFmpegError, ValueError):
        return False
    return True


def open_sound(name: str, place: str, timeout: float) -> Sound | None:
    """None where there is none, or (said in a line) where an mp4 does not take it."""
    try:
        container = open_place(place, timeout)
    except FFmpegError:  # gone since its pictures were opened: they tell it
        return None
    stream: Any = container.streams.best("audio")
    if stream is not None and stream.codec_context is not None:
        if _kind(stream) in TAKEN or _codable(stream):
            return Sound(container, stream)
        print(f"{name}: its sound ({_kind(stream)}) is not kept: an mp4 takes {', '.join(TAKEN)}",
              file=sys.stderr)  # fmt: skip
    container.close()
    return None
