"""What a name on a command line leads to: places, what each is called, what makes its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from data.ground.refusal import refusal
from pipelines.media.frame import Frame, Source

Named: TypeAlias = "tuple[str, str, Callable[[str], Source]]"  # place, name, source by final name

ACCEPTED = (
    "a photo, a video, a folder or a pattern of them, a camera's number, rtsp://, http://, "
    "https://, s3://"
)


@dataclass(frozen=True)
class Unreadable:
    """A name with nothing behind it that can be read; why is told when it is read."""

    name: str
    error: ValueError
    moving: bool = False
    live: bool = False
    fps: float | None = None
    count: int | None = None

    def frames(self) -> Iterator[Frame]:
        raise self.error


def unreadable(given: str, fault: str, accepted: str = ACCEPTED) -> Named:
    return failed(given, refusal(given, fault=fault, accepted=accepted))


def failed(given: str, error: ValueError) -> Named:
    """A source that raises `error` when it is read."""
    return given, given, lambda name: Unreadable(name, error)
