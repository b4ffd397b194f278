"""Cameras and streams, which wait for nobody: the newest picture is given, what is older drops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import cv2

from data.ground.refusal import refusal
from pipelines.media.frame import Frame


@dataclass(frozen=True)
class Camera:
    """A camera of this machine, by its number; its end is whoever reads it.

    With OpenCV, which takes a number on every system and finds a format that the camera has; PyAV
    would want the name and the format of the system's device. connect: what opens it.
    """

    name: str
    number: int
    timeout: float = 10.0
    connect: Callable[[int], Any] = cv2.VideoCapture
    moving: bool = True
    live: bool = True
    fps: float | None = None
    count: int | None = None

    def frames(self) -> Iterator[Frame]:
        return newest(self._read, self.name, self.timeout)

    def _read(self) -> Iterator[Frame]:
        camera = self.connect(self.number)
        try:
            if not camera.isOpened():
                do = "check that it is plugged in, free, and this user may read it"
                raise refusal(self.name, fault=f"no camera of number {self.number}", do=do)
            index, started = 0, time.monotonic()
            while True:
                there, image = camera.read()
                if not there:
                    raise refusal(self.name, fault=f"the camera ended after {index} pictures")
                seconds = time.monotonic() - started if index else 0.0
                started = started if index else time.monotonic()
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield Frame(self.name, rgb, index, seconds)
                index += 1
        finally:
            camera.release()


def newest(read: Callable[[], Iterator[Frame]], name: str, timeout: float) -> Iterator[Frame]:
    """Frames of `read`, which a thread of its own follows: whenever one is asked for, the last that
    came; none twice, and the very last always.

    Raises what `read` raised, and ValueError after twice `timeout` s (opening counts too) of
    silence.
    """
    slot = _Slot()
    threading.Thread(target=slot.follow, args=(read,), daemon=True, name=f"read {name}").start()
    try:
        while (frame := slot.take(name, 2 * timeout)) is not None:
            yield frame
    finally:
        slot.stopped = True


class _Slot:
    """Holds one frame at most."""

    def __init__(self) -> None:
        self.stopped = False
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: Exception | None = None

    def follow(self, read: Callable[[], Iterator[Frame]]) -> None:
        error: Exception | None = None
        try:
            with closing(read()) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if self.stopped:
                        return
                    with self._changed:
                        self._frame = frame
                        self._changed.notify()
        except Exception as caught:  # noqa: BLE001 - raised again by whoever reads
            error = caught
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify()

    def take(self, name: str, patience: float) -> Frame | None:
        with self._changed:
            came = self._changed.wait_for(lambda: self._frame or self._ended, patience)
            if not came:
                do = "check that it sends, and the network"
                raise refusal(name, fault=f"no picture for {patience:g} s", do=do)
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame
