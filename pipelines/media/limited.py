"""The first seconds of a source: of a camera or a stream that has no end by itself."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.media.frame import Frame, Source


class Limited:
    """A source that ends after so many seconds; photos are let be."""

    def __init__(self, source: Source, seconds: float) -> None:
        self.whole, self._seconds = source, seconds
        self.name, self.moving, self.live = source.name, source.moving, source.live

    @property
    def fps(self) -> float | None:
        return self.whole.fps

    @property
    def count(self) -> int | None:
        """Of a video as many as fit into the seconds, where its rate is known."""
        count, fps = self.whole.count, self.whole.fps
        if not self.moving or count is None:
            return count
        return None if fps is None else min(count, round(self._seconds * fps))

    def frames(self) -> Iterator[Frame]:
        for frame in self.whole.frames():
            if self.moving and frame.seconds >= self._seconds:
                return
            yield frame
