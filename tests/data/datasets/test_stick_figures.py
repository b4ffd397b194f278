"""Drawn people: deterministic, disjoint by split, well labelled, and nothing gives a side away."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.datasets.coco import Coco
from data.datasets.stick_figures import StickFigures, draw_split


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    for split, images in (("train", 40), ("val", 12)):
        draw_split(root, split, images, seed=3)
    return root


def test_it_reads_as_coco_without_a_bad_row(drawn: Path) -> None:
    rejected: list = []
    samples = list(StickFigures().samples(drawn, "train", rejected.append))
    assert len(samples) == 40 and rejected == []
    assert {len(s.poses) for s in samples} == {1, 2, 3}
    for sample in samples:
        height, width = cv2.imread(str(sample.image_path)).shape[:2]
        assert (sample.width, sample.height) == (width, height)


def test_rows_are_complete_and_consistent(drawn: Path) -> None:
    content = json.loads(Coco().truth_file(drawn, "train").read_text())
    sizes = {row["id"]: (row["width"], row["height"]) for row in content["images"]}
    for row in content["annotations"]:
        x, y, w, h = row["bbox"]
        width, height = sizes[row["image_id"]]
        assert 0 <= x < x + w <= width and 0 <= y < y + h <= height
        assert 0 < row["area"] <= w * h and row["iscrowd"] == 0 and row["segmentation"]
        keypoints = np.array(row["keypoints"]).reshape(17, 3)
        assert row["num_keypoints"] == (keypoints[:, 2] > 0).sum() > 0
        labelled = keypoints[keypoints[:, 2] > 0]
        assert (labelled[:, :2] >= 0).all() and (labelled[:, :2] < (width, height)).all()
        assert (keypoints[keypoints[:, 2] == 0] == 0).all()


def test_visibility_varies(drawn: Path) -> None:
    poses = [p for s in StickFigures().samples(drawn, "train") for p in s.poses]
    seen = np.stack([pose.visibility for pose in poses])
    assert [bool((seen == value).mean() > 0.03) for value in (0, 1, 2)] == [True] * 3
    nose = StickFigures.SKELETON.keypoints.index("nose")
    assert 0.1 < (seen[:, nose] == 0).mean() < 0.6  # from behind: turned away
    left, right = (
        StickFigures.SKELETON.keypoints.index(f"{s}_shoulder") for s in ("left", "right")
    )
    across = np.array([p.keypoints_image[left, 0] - p.keypoints_image[right, 0] for p in poses])
    assert 0.1 < (across < 0).mean() < 0.6  # the person's left is on either side of the image


def test_the_same_seed_draws_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    draw_split(tmp_path, "val", 3, seed=3)
    for path in sorted((tmp_path / "val2017").iterdir()):
        assert path.read_bytes() == (drawn / "val2017" / path.name).read_bytes()


def test_splits_and_seeds_share_no_picture(drawn: Path, tmp_path: Path) -> None:
    draw_split(tmp_path, "val", 12, seed=4)
    folders = (drawn / "train2017", drawn / "val2017", tmp_path / "val2017")
    pictures = [path.read_bytes() for folder in folders for path in folder.iterdir()]
    assert len(set(pictures)) == len(pictures) == 64
    ids = [{s.image_id for s in StickFigures().samples(drawn, split)} for split in ("train", "val")]
    assert not ids[0] & ids[1]


def test_both_sides_wear_the_same(drawn: Path) -> None:
    """Seen limbs of one kind have one colour, left and right: a colour tells no side."""
    names = StickFigures.SKELETON.keypoints
    gaps = []
    for sample in StickFigures().samples(drawn, "train"):
        image = cv2.imread(str(sample.image_path)).astype(float)
        for pose in sample.poses:
            sides = [names.index(f"{side}_knee") for side in ("left", "right")]
            if (pose.visibility[sides] == 2).all():
                colours = [image[int(y), int(x)] for x, y in pose.keypoints_image[sides]]
                gaps.append(np.abs(colours[0] - colours[1]).max())
    assert len(gaps) > 20 and np.median(gaps) < 40
