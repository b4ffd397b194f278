"""MPII's json as own labels: the same people as the data set of the menu has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.datasets.formats.guessing import guess
from data.datasets.formats.menu import READERS
from data.datasets.mpii import Mpii
from tests.worlds.mpii_files import row, write_json


def test_people_are_those_of_the_menus_data_set(tmp_path: Path) -> None:
    rows = [
        row("000000001.jpg"),
        row("000000001.jpg", 40.0, joints_vis=[0, 1] * 8),
        row("000000002.jpg", scale=1.5),
    ]
    write_json(tmp_path, rows, rows[:1])
    path = tmp_path / "annot" / "train.json"
    labels = READERS[guess(path)](path, tmp_path / "images")
    assert labels.keypoints == Mpii.SKELETON.keypoints
    for image, sample in zip(labels.images, Mpii().samples(tmp_path, "train"), strict=True):
        assert (image.file, image.width, image.height) == (sample.image_path.name, 240, 200)
        for person, pose in zip(image.people, sample.poses, strict=True):
            np.testing.assert_allclose(person.keypoints_image, pose.keypoints_image)
            assert (person.visibility > 0).tolist() == (pose.visibility > 0).tolist()
            assert person.box_image == pytest.approx(pose.box_image)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"joints": [[1, 2]]}, "2 values instead of 32: joints"),
        ({"joints_vis": None}, "joints_vis"),
        ({"scale": -1.0}, "not above 0: scale"),
        ({"center": [1e300, 5]}, "beyond 10000000 pixels: center"),
        ({"image": "gone.jpg"}, "gone.jpg"),
    ],
)
def test_a_row_that_cannot_be_used_is_noted(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    good = row("000000001.jpg")
    write_json(tmp_path, [good], [good])
    path = tmp_path / "annot" / "train.json"
    path.write_text(json.dumps([good, {**good, **change}]))
    labels = READERS["mpii"](path, tmp_path / "images")
    assert [len(image.people) for image in labels.images] == [1]
    (note,) = labels.notes
    assert why in note.reason or why in note.image


def test_another_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"x.json: given a json dict, accepted: a list of \{image"):
        READERS["mpii"](path, tmp_path)
