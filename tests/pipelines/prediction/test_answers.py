"""What `Predictor` answers: names, pixels, boxes, ids; as supervision's keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.media.frame import Frame
from pipelines.prediction.answers import Answer
from pipelines.prediction.api import Predictor
from tests.worlds.watched import BoxReader, SquareDetector, picture

SKELETON = load_skeleton("coco")


def answer(ids: bool = False) -> Answer:
    scores = np.linspace(0.1, 0.9, 17)
    pose = Pose(
        np.arange(34.0).reshape(17, 2), np.full(17, 2), (1.0, 2.0, 30.0, 40.0), id=7, score=0.6,
        keypoint_scores=scores,
    )  # fmt: skip
    frame = Frame("a.jpg", np.zeros((48, 64, 3), np.uint8), 3, 0.12)
    return Predictor(BoxReader()).answer(frame, [pose], ids=ids)


def test_a_person_is_told_by_names_in_pixels() -> None:
    told = answer()
    (person,) = told.people
    assert (told.name, told.size, told.index, told.seconds) == ("a.jpg", (64, 48), 3, 0.12)
    assert told.names == SKELETON.keypoints and told.limbs == SKELETON.limbs
    assert person.keypoint("left_shoulder") == (10.0, 11.0, pytest.approx(0.35))
    assert person.box_image == (1.0, 2.0, 30.0, 40.0) and person.score == 0.6
    assert person.id is None, "a photo's people have none"
    assert answer(ids=True).people[0].id == 7
    with pytest.raises(ValueError, match=r"keypoint: given 'tail', accepted: nose, left_eye"):
        person.keypoint("tail")


def test_photos_are_answered_one_by_one_or_together() -> None:
    predictor = Predictor(BoxReader(), detector=SquareDetector(), batch=2)
    assert len(predictor(picture((20, 30), (90, 40)))) == 2
    many = predictor([picture((20, 30))] * 3)
    assert [len(each) for each in many] == [1, 1, 1]
    assert many[0].people[0].box_image == (20.0, 30.0, 24.0, 24.0)


def test_an_image_of_pillow_is_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned right
    predictor = Predictor(BoxReader(), detector=SquareDetector())
    stored = np.rot90(picture((20, 30)))
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    for given in (tmp_path / "turned.png", Image.open(tmp_path / "turned.png")):
        told = predictor(given)
        assert told.size == (160, 120) and told.people[0].box_image[:2] == (20.0, 30.0)
    (streamed,) = predictor.stream(tmp_path / "turned.png")
    assert streamed.people[0].box_image[:2] == (20.0, 30.0)


@pytest.mark.parametrize("image", [b"bytes", 3, None])
def test_other_kinds_of_image_are_refused(image: object) -> None:
    with pytest.raises(
        ValueError, match=r"image 0: given '(bytes|int|NoneType)', accepted: a path"
    ):
        Predictor(BoxReader())(image)  # type: ignore[call-overload]


def test_every_so_many_frames_wants_a_detector() -> None:
    with pytest.raises(ValueError, match="detect_every: given 5, accepted: with a detector"):
        Predictor(BoxReader(), detect_every=5)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image 0: given .* accepted: uint8 \[H, W, 3\], RGB"):
        Predictor(BoxReader())(image)


def test_as_keypoints_of_supervision() -> None:
    supervision = pytest.importorskip("supervision")
    made = answer(ids=True).to_supervision()
    assert isinstance(made, supervision.KeyPoints)
    assert made.xy.shape == (1, 17, 2)
    assert np.array_equal(made.visible[0], np.linspace(0.1, 0.9, 17) > 0.2)
    assert np.array_equal(made.xy[0], np.arange(34.0).reshape(17, 2))
    assert made.detection_confidence.tolist() == [pytest.approx(0.6)]
    assert made.data["xyxy"].tolist() == [[1.0, 2.0, 31.0, 42.0]]
    assert made.data["tracker_id"].tolist() == [7]
