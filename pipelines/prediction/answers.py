"""What `Predictor` answers: people with names, pixels, scores, boxes, ids; other tools' forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose

if TYPE_CHECKING:
    import supervision


class Keypoint(NamedTuple):
    """One keypoint in image pixels; score 0: not found."""

    x: float
    y: float
    score: float


@dataclass(frozen=True, eq=False)
class Person:
    """One person of one image, in pixels of the image as people see it.

    keypoints_image [K, 2] float64 (x, y); scores [K]; names [K], of the skeleton; box_image
    (x, y, w, h), that the pose was read from, or that its keypoints span; id: of the same person
    through all frames of a video, None of photos, and of who is too unsure to be anybody.
    """

    keypoints_image: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...]
    box_image: tuple[float, float, float, float]
    score: float
    id: int | None = None

    def keypoint(self, name: str) -> Keypoint:
        """One by its name. Raises ValueError for a name that the skeleton does not have."""
        if name not in self.names:
            raise refusal("keypoint", given=name, accepted=", ".join(self.names))
        row = self.names.index(name)
        x, y = (float(value) for value in self.keypoints_image[row])
        return Keypoint(x, y, float(self.scores[row]))


@dataclass(frozen=True, eq=False)
class Answer:
    """The people of one photo or frame, best first.

    name: of the photo or video; size (width, height); index, seconds: which frame, and when;
    limbs: pairs of keypoints' names; threshold: keypoints of a score up to it are not drawn.
    """

    name: str
    size: tuple[int, int]
    people: tuple[Person, ...]
    names: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    threshold: float
    index: int = 0
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.people)

    def to_supervision(self) -> supervision.KeyPoints:
        """As supervision's KeyPoints (0.29 or newer), [N, K] each; what would not be drawn is not
        visible. `data` has the persons' boxes, `xyxy` [N, 4], and of a video `tracker_id` [N], 0
        of who is too unsure to be anybody.

        Raises ValueError where the package is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            fault, do = "supervision is not installed", "`pip install supervision`"
            raise refusal("to_supervision", fault=fault, do=do) from error
        points, scores, data = self._columns()
        return supervision.KeyPoints(
            xy=points.astype(np.float32),
            class_id=np.zeros(len(self), dtype=int),
            keypoint_confidence=scores.astype(np.float32),
            detection_confidence=np.array([person.score for person in self.people], np.float32),
            visible=scores > self.threshold,
            data=data,
        )

    def _columns(self) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """keypoints [N, K, 2], scores [N, K], and by name what there is of each person [N]."""
        keypoints = len(self.names)
        points = np.array([p.keypoints_image for p in self.people]).reshape(-1, keypoints, 2)
        scores = np.array([p.scores for p in self.people]).reshape(-1, keypoints)
        boxes = np.array([p.box_image for p in self.people], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        data = {"xyxy": boxes}
        if any(person.id is not None for person in self.people):
            data["tracker_id"] = np.array([person.id or 0 for person in self.people])
        return points, scores, data


def people_of(poses: Sequence[Pose], names: tuple[str, ...], *, ids: bool) -> tuple[Person, ...]:
    """Poses as they are answered; `ids`: theirs are persons' ids of a video."""
    return tuple(_person(pose, names, (pose.id or None) if ids else None) for pose in poses)


def _person(pose: Pose, names: tuple[str, ...], identity: int | None) -> Person:
    assert pose.keypoint_scores is not None, "a predicted pose has keypoint scores"
    scores = np.asarray(pose.keypoint_scores, dtype=np.float64)
    return Person(pose.keypoints_image, scores, names, pose.box_image, float(pose.score), identity)
