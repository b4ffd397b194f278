"""Frames in, their people out: whom to look for, batches over frames, ids and smoothing.

Photos go through the network many at once, and so do the frames of a video, while a thread decodes
those that come next. Where boxes come from the poses before (`detect_every`), frames go one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from data.ground.sample import Pose
from pipelines.detection.detector import Detector
from pipelines.media.frame import Frame, Source
from pipelines.motion.smoothing import Smoother
from pipelines.motion.tracker import Tracker
from pipelines.prediction.ahead import BUDGET, ahead
from pipelines.prediction.crop_reader import whole_image
from pipelines.prediction.reader import People, PoseReader

GivenPeople = Callable[[str, int], People | None]  # (photo or video, frame) -> people's boxes


@dataclass(frozen=True)
class Looking:
    """How people are looked for.

    detector: finds boxes, for networks that want them; given: boxes that somebody has, instead;
    without either the whole image is one box. detect_every: of a moving source every so many
    frames; between, people are looked for where they are expected. batch: frames at once; smooth:
    One-Euro over a moving source's keypoints.
    """

    detector: Detector | None = None
    given: GivenPeople | None = None
    detect_every: int = 1
    batch: int = 8
    smooth: bool = False

    def every(self, reader: PoseReader) -> int:
        """On each which frame of a moving source boxes are asked for anew: 1 where no detector is
        asked, or in every frame."""
        asked = reader.needs_boxes and self.given is None and self.detector is not None
        return self.detect_every if asked else 1


class Began(NamedTuple):
    """A source is read from here on."""

    source: Source


class Seen(NamedTuple):
    """A frame with its people, best first; their ids stay through a moving source."""

    source: Source
    frame: Frame
    poses: list[Pose]


class Ended(NamedTuple):
    """A source is done; error: why no more of it could be read, None where it came to its end."""

    source: Source
    error: ValueError | None


Event = Began | Seen | Ended
_Read = Began | tuple[Source, Frame] | Ended


def weight(event: Event | _Read) -> int:
    """Bytes of its picture."""
    return 0 if isinstance(event, Began | Ended) else event[1].image.nbytes


def watch(
    sources: Sequence[Source], reader: PoseReader, looking: Looking
) -> Generator[Event, None, None]:
    """Events of one source after another, in order; a source that cannot be read stops no other."""
    waiting: list[_Read] = []
    follower: _Follower | None = None
    deep = 1 if any(source.live for source in sources) else 2 * looking.batch
    for event in ahead(_read(sources), deep, weigh=weight):
        source = event[0]
        if isinstance(event, Began) and source.moving:  # photos before it are done first
            yield from _answered(waiting, reader, looking, None)
            waiting, follower = [], _Follower(reader, looking)
        waiting.append(event)
        frames = sum(not isinstance(each, Began | Ended) for each in waiting)
        full = frames >= _at_once(source, reader, looking) or sum(map(weight, waiting)) >= BUDGET
        if full or _is_end(event):
            yield from _answered(waiting, reader, looking, follower if source.moving else None)
            waiting = []
    yield from _answered(waiting, reader, looking, None)


def _is_end(event: _Read) -> bool:
    return isinstance(event, Ended) and event.source.moving


def _read(sources: Sequence[Source]) -> Iterator[_Read]:
    for source in sources:
        yield Began(source)
        error = None
        try:
            for frame in source.frames():
                yield source, frame
                del frame  # a large one's memory, before the next one is decoded
        except ValueError as fault:
            error = fault
        yield Ended(source, error)


def _at_once(source: Source, reader: PoseReader, looking: Looking) -> int:
    """One where nobody waits for a live picture, or where the last frame says where to look."""
    steps = looking.every(reader) > 1
    return 1 if source.moving and (source.live or steps) else looking.batch


def _answered(
    waiting: Sequence[_Read], reader: PoseReader, looking: Looking, follower: _Follower | None
) -> Iterator[Event]:
    frames = [each[1] for each in waiting if not isinstance(each, Began | Ended)]
    poses = iter(read_frames(frames, reader, looking, follower))
    for event in waiting:
        if isinstance(event, Began | Ended):
            yield event
        else:
            yield Seen(*event, next(poses))


def read_frames(
    frames: Sequence[Frame],
    reader: PoseReader,
    looking: Looking,
    follower: _Follower | None = None,
) -> list[list[Pose]]:
    """Poses of each frame. follower: of the moving source that all these frames are of."""
    if not frames:
        return []
    images = [frame.image for frame in frames]
    expected = follower.expected(frames) if follower else None
    people = None
    if reader.needs_boxes:
        people = [expected] if expected is not None else whom(frames, looking)
    read = reader.read(images, people)
    return follower.follow(frames, read) if follower else read


def whom(frames: Sequence[Frame], looking: Looking) -> list[People]:
    """The boxes in which people are looked for, of each frame."""
    if looking.given is not None:
        given = [looking.given(frame.name, frame.index) for frame in frames]
        return [_nobody() if people is None else people for people in given]
    if looking.detector is not None:
        return [People(*found) for found in looking.detector.find([f.image for f in frames])]
    return [whole_image(frame.image) for frame in frames]


def _nobody() -> People:
    return People(np.zeros((0, 4)), np.zeros(0))


class _Follower:
    """The people of one moving source: who is who, where they will be, without jitter."""

    def __init__(self, reader: PoseReader, looking: Looking) -> None:
        self._tracker = Tracker(reader.skeleton.sigmas)
        self._smoother = Smoother() if looking.smooth else None
        self._every = looking.every(reader)
        self._done = 0

    def expected(self, frames: Sequence[Frame]) -> People | None:
        """Where to look in a frame between two detections; None where the detector's turn is."""
        if self._done % self._every == 0:
            return None
        (frame,) = frames
        boxes, scores = self._tracker.expected(frame.seconds)
        return People(boxes, scores)

    def follow(self, frames: Sequence[Frame], read: Sequence[list[Pose]]) -> list[list[Pose]]:
        """The same poses with ids, smoothed if wanted."""
        followed = []
        for frame, poses in zip(frames, read, strict=True):
            known = self._tracker.update(poses, frame.seconds)
            followed.append(self._smoother(known, frame.seconds) if self._smoother else known)
        self._done += len(frames)
        return followed
