"""The drawn photos: the labels stand on what is drawn, and the skeleton's page shows people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.files.images import read_image
from data.ground.yaml_text import read_yaml
from pipelines.survey.example import FLIP, KEYPOINTS, SIZE, write_example
from pipelines.survey.samples import write_samples
from pipelines.survey.skeleton_guess import guess_skeleton
from tests.worlds.standing import labels_of, person


def test_labels_lie_on_the_pliers_and_their_boxes_in_the_picture(tmp_path: Path) -> None:
    write_example(tmp_path / "tool", photos=3)
    for label in sorted((tmp_path / "tool" / "labels").iterdir()):
        row = np.array(label.read_text().split(), float)
        assert len(row) == 5 + 3 * len(KEYPOINTS)
        box, points = row[1:5] * np.tile(SIZE, 2), row[5:].reshape(-1, 3)[:, :2] * SIZE
        assert (np.abs(points - box[:2]) <= box[2:] / 2).all(), "keypoints in the box"
        assert (box[:2] >= box[2:] / 2).all() and (box[:2] + box[2:] / 2 <= SIZE).all()
        picture = read_image(tmp_path / "tool" / "images" / f"{label.stem}.jpg")
        assert picture.shape == (SIZE[1], SIZE[0], 3)
        x, y = points[KEYPOINTS.index("pivot")].round().astype(int)
        assert picture[y, x].min() > 190, "the rivet is white"
    content = read_yaml(tmp_path / "tool" / "data.yaml")
    assert content["kpt_shape"] == [6, 3] and content["flip_idx"] == list(FLIP)


def test_a_seed_draws_the_same_and_nothing_is_written_over(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_example(tmp_path / name, photos=1)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    with pytest.raises(ValueError, match="is there already"):
        write_example(tmp_path / "one")


def test_the_skeleton_is_drawn_on_as_many_people_as_can_be_read(tmp_path: Path) -> None:
    write_example(tmp_path / "tool", photos=1)
    file = tmp_path / "tool" / "images" / "pliers 01.jpg"
    for n in (1, 3):
        (tmp_path / f"{n}.jpg").write_bytes(file.read_bytes())
    labels = labels_of([[person()], [person()], [person(), person(box=None)]])  # no 2.jpg
    skeleton = guess_skeleton("x", labels).skeleton
    assert write_samples(tmp_path / "a" / "page.png", labels, tmp_path, skeleton) == 3
    assert read_image(tmp_path / "a" / "page.png").std() > 0
    assert write_samples(tmp_path / "none.png", labels_of([[]]), tmp_path, skeleton) == 0
    assert not (tmp_path / "none.png").exists()
