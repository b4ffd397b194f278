"""`Predictor`: a pose network asked for by name, and the people of whatever it is shown.

from pipelines.prediction import Predictor

predictor = Predictor("pose-coco", detector="nanodet.onnx")
for person in predictor("photo.jpg").people: print(person.keypoint("nose"), person.score)
for answer in predictor.stream("clip.mp4"): print(answer.index, [p.id for p in answer.people])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image, ImageOps

from data.ground.refusal import refusal
from data.ground.sample import Pose
from pipelines.detection.detector import Detector
from pipelines.detection.opening import open_detector
from pipelines.media.frame import Frame
from pipelines.media.sources import open_sources
from pipelines.prediction.answers import Answer, people_of
from pipelines.prediction.frames import Ended, GivenPeople, Looking, Seen, read_frames, watch
from pipelines.prediction.named import open_reader
from pipelines.prediction.reader import PoseReader

Picture = str | Path | np.ndarray | Image.Image
BOX_SCORE = 0.3  # boxes that a detector is less sure of are nobody


class Predictor:
    """A pose network, and how it looks for people. Photos: call it; videos and streams: `stream`.

    model: a slot (`pose-coco`: its champion; `pose-coco@candidate`, `pose-coco:3`), a recipe that
    was trained here, an ONNX file of `export`, or somebody else's with a sidecar. detector: an ONNX
    file, its address or its name in params.yaml, or a Detector; a network that finds everyone in
    the whole image (bottom-up) needs none, to another one without it the whole image is one person.
    detect_every, batch, smooth: as `Looking`; box_score: the detector's boxes above it count;
    flip_test, runtime: as `open_reader`.
    Raises ValueError for what is not there.
    """

    def __init__(
        self,
        model: str | Path | PoseReader,
        *,
        detector: str | Path | Detector | None = None,
        given: GivenPeople | None = None,
        detect_every: int = 1,
        batch: int = 8,
        smooth: bool = False,
        box_score: float = BOX_SCORE,
        flip_test: bool | None = None,
        runtime: str | None = None,
    ) -> None:
        for name, number in (("detect_every", detect_every), ("batch", batch)):
            if number < 1:
                raise refusal(name, given=number, accepted="a whole number from 1")
        if not 0 <= box_score <= 1:
            raise refusal("box_score", given=box_score, accepted="0 to 1")
        if detect_every > 1 and detector is None:
            raise refusal("detect_every", given=detect_every, accepted="with a detector")
        if isinstance(model, str | Path):
            model = open_reader(str(model), flip_test=flip_test, runtime=runtime)
        self.reader = model
        if isinstance(detector, str | Path):
            detector = open_detector(str(detector), score=box_score)
        self.looking = Looking(detector, given, detect_every, batch, smooth)

    @property
    def threshold(self) -> float:
        """Keypoints of a score up to it are not drawn."""
        return self.reader.threshold

    @overload
    def __call__(self, image: Picture) -> Answer: ...

    @overload
    def __call__(self, image: list[Picture]) -> list[Answer]: ...

    def __call__(self, image: Picture | list[Picture]) -> Answer | list[Answer]:
        """The people of a photo: a path, uint8 [H, W, 3] RGB or Pillow's image; of several, a list.

        Raises ValueError for what is no image, and for a video.
        """
        if isinstance(image, list | tuple):
            return self._answers(image)
        return self._answers([image])[0]

    def _answers(self, images: Sequence[Picture]) -> list[Answer]:
        answers = []
        for start in range(0, len(images), self.looking.batch):
            some = images[start : start + self.looking.batch]
            frames = [_photo(each, start + n) for n, each in enumerate(some)]
            poses = read_frames(frames, self.reader, self.looking)
            answers += [
                self.answer(frame, of, ids=False) for frame, of in zip(frames, poses, strict=True)
            ]
        return answers

    def stream(self, *sources: str | Path | int) -> Iterator[Answer]:
        """Frame by frame the people of videos, cameras, streams, folders, photos, as they come.

        Raises ValueError where a source cannot be read (any further).
        """
        for event in watch(
            open_sources([str(each) for each in sources]), self.reader, self.looking
        ):
            if isinstance(event, Seen):
                yield self.answer(event.frame, event.poses, ids=event.source.moving)
            elif isinstance(event, Ended) and event.error:
                raise event.error

    def answer(self, frame: Frame, poses: Sequence[Pose], *, ids: bool) -> Answer:
        """A frame's poses as they are answered."""
        skeleton = self.reader.skeleton
        return Answer(
            name=frame.name,
            size=(frame.image.shape[1], frame.image.shape[0]),
            people=people_of(poses, skeleton.keypoints, ids=ids),
            names=skeleton.keypoints,
            limbs=skeleton.limbs,
            threshold=self.threshold,
            index=frame.index,
            seconds=frame.seconds,
        )


def _photo(image: Picture, number: int) -> Frame:
    if isinstance(image, Image.Image):
        upright = ImageOps.exif_transpose(image) or image
        image = np.asarray(upright.convert("RGB"))
    if not isinstance(image, str | Path | np.ndarray):
        accepted = "a path, uint8 [H, W, 3] RGB, an image of Pillow"
        raise refusal(f"image {number}", given=type(image).__name__, accepted=accepted)
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            given = f"{image.dtype} of shape {list(image.shape)}"
            raise refusal(f"image {number}", given=given, accepted="uint8 [H, W, 3], RGB")
        return Frame(f"image {number}", image)
    sources = open_sources([str(image)])
    if len(sources) != 1 or sources[0].moving:
        do = "a folder, a video or a stream: `for answer in predictor.stream(...)`"
        raise refusal(image, fault="no single photo", do=do)
    return next(sources[0].frames())
