"""Image files looked at: faults, sizes, the same bytes, and the same picture in other bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.datasets.formats.labels import LabelledImage
from pipelines.pictures.people import write_picture
from pipelines.survey.example import draw_pliers
from pipelines.survey.seen import nearly_same, same_bytes, see_image, see_images
from tests.worlds.standing import labels_of


@pytest.fixture
def picture() -> np.ndarray:
    return draw_pliers(np.random.default_rng(3))[0]


def test_what_cannot_be_read_is_said_and_what_can_has_its_size(
    tmp_path: Path, picture: np.ndarray
) -> None:
    write_picture(tmp_path / "good.png", picture)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    assert see_image(tmp_path, "good.png").size == (320, 240)
    assert see_image(tmp_path, "gone.jpg").fault == "not there"
    for name in ("cut.jpg", "empty.jpg"):
        assert see_image(tmp_path, name).fault == "no readable image"
    assert see_image(tmp_path, "folder.jpg").fault.startswith("cannot be read")


def test_exif_that_turns_a_photo_is_seen(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(picture).save(tmp_path / "turned.jpg", exif=exif)
    seen = see_image(tmp_path, "turned.jpg")
    assert seen.turned and seen.size == (320, 240), "as stored"


def test_the_same_picture_is_known_in_other_bytes_and_another_one_is_not(
    tmp_path: Path, picture: np.ndarray
) -> None:
    other = draw_pliers(np.random.default_rng(4))[0]
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    plain = np.full_like(picture, 90)
    pictures = {"a.png": picture, "b.jpg": picture, "half.png": half, "other.png": other,
                "plain.png": plain, "plain.jpg": plain}  # fmt: skip
    for name, image in pictures.items():
        write_picture(tmp_path / name, image)
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    first = [see_image(tmp_path, name) for name in ("other.png", "plain.png", "a.png")]
    second = [see_image(tmp_path, n) for n in ("copy.png", "b.jpg", "half.png", "plain.jpg")]
    told = [(a.file, b.file) for a, b in same_bytes(first, second)]
    assert told == [("a.png", "copy.png")]
    told = [(a.file, b.file) for a, b in nearly_same(first, second)]
    assert told == [("a.png", "b.jpg"), ("a.png", "half.png")], "plain ones look like nothing"
    assert nearly_same([], second) == []


def test_of_many_images_some_are_looked_at_evenly(tmp_path: Path) -> None:
    rows = tuple(LabelledImage(f"{n}.jpg") for n in range(100))
    labels = replace(labels_of([]), images=rows)
    seen = see_images(labels, tmp_path, most=5)
    assert [each.file for each in seen] == ["0.jpg", "25.jpg", "50.jpg", "74.jpg", "99.jpg"]
    assert see_images(replace(labels, images=()), tmp_path) == []


def test_real_photos_are_unlike_each_other(real_data: Path) -> None:
    folder = real_data / "coco_mini"
    train, val = (
        [see_image(folder, f"{split}/{path.name}") for path in sorted((folder / split).iterdir())]
        for split in ("train2017", "val2017")
    )
    assert len(train) == 11 and len(val) == 18
    assert nearly_same(train, val) == [] and same_bytes(train, val) == []
