"""What waits for nobody: the newest picture counts; its end, errors and silence reach who reads."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from pipelines.media.frame import Frame
from pipelines.media.live import Camera, newest
from tests.worlds.clips import grey


class Stream:
    """Gives pictures 0, 1, 2, ... as fast as `fast` of them are to be, then waits for `go`."""

    def __init__(self, fast: int, count: int) -> None:
        self.fast, self.count = fast, count
        self.go, self.given, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __call__(self) -> Iterator[Frame]:
        try:
            for n in range(self.count):
                if n == self.fast:
                    self.given.set()
                    self.go.wait(10)
                yield Frame("the one", grey(n), n, n / 25)
        finally:
            self.closed.set()


def test_pictures_that_nobody_took_in_time_are_dropped_and_the_last_one_is_given() -> None:
    stream = Stream(fast=50, count=52)
    frames = newest(stream, "the one", 10)
    next(frames)
    stream.given.wait(10)
    stream.go.set()
    came = [frame.index for frame in frames]
    assert came[-1] == 51 and came == sorted(set(came)) and came[0] >= 49


def test_leaving_it_ends_its_reader() -> None:
    stream = Stream(fast=1, count=1000)
    frames = newest(stream, "the one", 10)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    stream.go.set()
    assert stream.closed.wait(10)


def test_an_error_comes_after_the_pictures_before_it() -> None:
    def broken() -> Iterator[Frame]:
        yield Frame("the one", grey(1))
        raise ValueError("the one: it broke")

    frames = newest(broken, "the one", 10)
    assert next(frames).index == 0
    with pytest.raises(ValueError, match=r"^the one: it broke$"):
        next(frames)


def test_silence_is_a_sentence() -> None:
    stream = Stream(fast=0, count=1)
    with pytest.raises(ValueError, match=r"^the one: no picture for 0\.1 s; check that it sends"):
        next(newest(stream, "the one", 0.05))
    stream.go.set()


class Device:
    """Of OpenCV's ways: pictures in its order of colours, then no more."""

    def __init__(self, number: int) -> None:
        self.number, self.left, self.released = number, 3, False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.number == 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        picture = np.full((4, 6, 3), (9, 99, 199), np.uint8)
        return (True, picture) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_its_pictures_in_rgb_until_it_ends() -> None:
    frames = Camera("camera-0", 0, connect=Device).frames()
    came = [next(frames)]
    with pytest.raises(ValueError, match=r"^camera-0: the camera ended after 3 pictures"):
        came.extend(frames)
    assert came[0].image[0, 0].tolist() == [199, 99, 9]
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(came))


def test_a_camera_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"^camera-7: no camera of number 7; check that it is"):
        next(Camera("camera-7", 7, connect=Device).frames())
