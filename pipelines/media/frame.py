"""What a source gives: images, one after another, each with its place and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One photo, or one picture of a video or stream.

    image: uint8 [H, W, 3] RGB, upright as people see it; name: of the photo below the folder that
    was named, or of the video; index: 0 for photos, else which picture from the first; seconds:
    since the first picture, 0 for photos.
    """

    name: str
    image: np.ndarray
    index: int = 0
    seconds: float = 0.0


class Source(Protocol):
    """A photo, a video or a stream that was named (a folder gives a source per photo).

    name: as `Frame.name`; moving: whether its frames follow one another in time (a video, a
    stream); live: it does not wait for who reads it (camera, stream); fps, count: as far as they
    are known; photo sources have count 1.
    """

    @property
    def name(self) -> str: ...

    @property
    def moving(self) -> bool: ...

    @property
    def live(self) -> bool: ...

    @property
    def fps(self) -> float | None: ...

    @property
    def count(self) -> int | None: ...

    def frames(self) -> Iterator[Frame]:
        """All frames. Raises ValueError, a sentence, where they cannot be read (any further)."""
