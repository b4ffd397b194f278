"""The sound of a video, part by part, to be copied beside pictures that are drawn of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from av.error import FFmpegError

from pipelines.media.videos import open_place

TAKEN = ("aac", "mp3", "ac3", "eac3", "alac", "flac", "opus")  # by an mp4, and by players


class Sound:
    """Parts come in the order of their times, which are those of the pictures: 0 at the first."""

    def __init__(self, container: Any, stream: Any) -> None:
        """stream: of sound, in the container, which is this object's to close."""
        self.stream = stream
        self._container = container
        pictures = container.streams.best("video")
        start = pictures.start_time if pictures is not None else None
        self._first = float(start * pictures.time_base) if start else 0.0
        self._parts = self._read()
        self._next = next(self._parts, None)

    def until(self, seconds: float) -> Iterator[Any]:
        """What is due by then, each part once."""
        while self._next is not None and self._next[0] <= seconds:
            yield self._next[1]
            self._next = next(self._parts, None)

    def close(self) -> None:
        self._parts.close()
        self._container.close()

    def _read(self) -> Any:
        with suppress(FFmpegError):  # a video that breaks off: its pictures tell it
            for part in self._container.demux(self.stream):
                if part.pts is None or part.dts is None:
                    continue
                shift = round(self._first / part.time_base)
                part.pts, part.dts = part.pts - shift, part.dts - shift
                if part.pts >= 0:
                    yield float(part.pts * part.time_base), part


def open_sound(name: str, place: str, timeout: float) -> Sound | None:
    """None where there is none, or (said in a line) where an mp4 does not take it."""
    try:
        container = open_place(place, timeout)
    except FFmpegError:  # gone since its pictures were opened: they tell it
        return None
    stream = container.streams.best("audio")
    if stream is not None and stream.codec_context.codec.canonical_name in TAKEN:
        return Sound(container, stream)
    if stream is not None:
        kind = stream.codec_context.codec.canonical_name
        print(f"{name}: its sound ({kind}) is not kept: an mp4 takes {', '.join(TAKEN)}",
              file=sys.stderr)  # fmt: skip
    container.close()
    return None
