"""The first seconds of a source: of a camera or a stream that has no end by itself."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.media.frame import Frame, Source


class Limited:
    """A source that ends after so many seconds; photos are let be."""

    def __init__(self, source: Source, seconds: float) -> None:
        self._source, self._seconds = source, seconds
        self.name, self.moving, self.live = source.name, source.moving, source.live
        self.fps, self.count = source.fps, source.count
        if self.moving and self.count is not None:
            known = None if self.fps is None else round(seconds * self.fps)
            self.count = None if known is None else min(self.count, known)

    def frames(self) -> Iterator[Frame]:
        for frame in self._source.frames():
            if self.moving and frame.seconds >= self._seconds:
                return
            yield frame
