"""A mixture: keypoints by name, what is lacking is absent, ids apart, weights to the letter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.datasets.coco import Coco
from data.datasets.mixture import (
    APART,
    TOO_LARGE,
    Mixture,
    drawn_rows,
    keypoint_places,
    to_skeleton,
)
from data.datasets.mpii import Mpii
from data.datasets.stick_figures import draw_split
from data.ground.sample import Rejected, Sample
from data.ground.skeleton import load_skeleton
from data.menus import DATASETS
from tests.worlds.mpii_files import row, write_json

COCO = load_skeleton("coco")
CROWDPOSE = load_skeleton("crowdpose")
MPII = load_skeleton("mpii")
OPENPOSE18 = load_skeleton("openpose18")

BOTH = Mixture({"coco": Coco(), "mpii": Mpii()})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in Coco.SPLITS:
        draw_split(tmp_path / "coco", split, 3, seed=1)
    head_only = [int(k in (8, 9)) for k in range(16)]
    train = [row("5.jpg"), row("6.jpg", 40.0, joints_vis=[1, 0] * 8)]
    write_json(tmp_path / "mpii", [*train, row("6.jpg", joints_vis=head_only)], [row("7.jpg")])
    return tmp_path


def of_mpii(root: Path) -> list[Sample]:
    return [s for s in BOTH.samples(root, "train") if s.image_id >= APART]


def test_keypoints_go_by_name(root: Path) -> None:
    whole, partly = of_mpii(root)
    pose, original = whole.poses[0], next(iter(Mpii().samples(root / "mpii", "train"))).poses[0]
    for k, name in enumerate(COCO.keypoints):
        if name in MPII.keypoints:
            place = MPII.keypoints.index(name)
            assert pose.keypoints_image[k].tolist() == original.keypoints_image[place].tolist()
            assert pose.visibility[k] == 2
        else:
            assert pose.visibility[k] == 0, name
    assert {n for n, v in zip(COCO.keypoints, pose.visibility, strict=True) if not v} == {
        "nose", "left_eye", "right_eye", "left_ear", "right_ear"}  # fmt: skip
    labelled = {n for n, v in zip(COCO.keypoints, partly.poses[0].visibility, strict=True) if v}
    there = {n for n in MPII.keypoints[::2] if n in COCO.keypoints}
    assert labelled == there and len(there) == 6
    assert not partly.poses[1].visibility.any() and partly.ignore == ([],)  # a head alone


@pytest.mark.parametrize("key", ["images", "annotations"])
def test_ids_that_leave_no_room_between_members_are_refused(root: Path, key: str) -> None:
    """Added to, they would be another member's, or no number of 64 bits."""
    path = Coco().truth_file(root / "coco", "train")
    content = json.loads(path.read_text())
    old, content[key][0]["id"] = content[key][0]["id"], 2**63 - 1
    for each in content["annotations"] if key == "images" else ():
        each["image_id"] = 2**63 - 1 if each["image_id"] == old else each["image_id"]
    path.write_text(json.dumps(content))
    rejected: list[Rejected] = []
    found = [s.image_id for s in BOTH.samples(root, "train", rejected.append)]
    assert len(found) == 4 and [(r.kind, r.reason) for r in rejected] == [("image", TOO_LARGE)]


@pytest.mark.parametrize("counted", [0, 7, None])
def test_the_files_zero_stays_zero_other_numbers_are_of_its_own_skeleton(
    root: Path, counted: int | None
) -> None:
    pose = next(iter(Mpii().samples(root / "mpii", "train"))).poses[0]
    moved = to_skeleton(replace(pose, num_keypoints=counted), keypoint_places(MPII, COCO))
    assert moved.num_keypoints == (0 if counted == 0 else None)
    assert moved.counted_keypoints == (0 if counted == 0 else 12)


@pytest.mark.parametrize("source", [COCO, MPII, CROWDPOSE, OPENPOSE18], ids=lambda s: s.name)
def test_every_skeleton_maps_to_coco_by_name(source: object) -> None:
    places = keypoint_places(source, COCO)  # type: ignore[arg-type]
    names = [source.keypoints[p] for p in places if p >= 0]  # type: ignore[attr-defined]
    assert names == [n for n in COCO.keypoints if n in source.keypoints]  # type: ignore[attr-defined]
    assert len(names) >= 12


def test_train_is_of_all_val_and_truth_of_the_first(root: Path) -> None:
    train, val = list(BOTH.samples(root, "train")), list(BOTH.samples(root, "val"))
    assert [s.image_id for s in train] == [1, 2, 3, APART + 5, APART + 6]
    assert [s.image_id for s in val] == [s.image_id for s in Coco().samples(root / "coco", "val")]
    assert {BOTH.member_of(root, s.image_path) for s in train} == {"coco", "mpii"}
    assert [s.clip for s in train] == [True] * 3 + [False] * 2
    ids = [pose.id for s in train for pose in s.poses]
    assert len(set(ids)) == len(ids)
    truth, own = BOTH.truth(root, "val"), Coco().truth(root / "coco", "val")
    assert {i: len(p) for i, p in truth.items()} == {i: len(p) for i, p in own.items()}
    assert BOTH.truth_file(root, "val") == Coco().truth_file(root / "coco", "val")
    assert BOTH.truth_files(root, "train")[1:] == [Mpii().truth_file(root / "mpii", "train")]
    assert BOTH.SKELETON is COCO and BOTH.detections_file(root, "val") is None
    assert DATASETS["coco_mpii"].first == "coco"


def test_bad_rows_of_all_members_are_told(root: Path) -> None:
    path = root / "mpii" / "annot" / "train.json"
    path.write_text(json.dumps([row("5.jpg"), row("6.jpg", scale=-1)]))
    rejected: list[object] = []
    list(BOTH.samples(root, "train", rejected.append))
    assert len(rejected) == 1


@pytest.mark.parametrize(
    ("weight", "rows"),
    [(1.0, [0, 1, 2, 3]), (0.5, [0, 2]), (1.5, [0, 0, 1, 2, 2, 3]), (2.0, [0, 0, 1, 1, 2, 2, 3, 3]),
     (0.1, [])],
)  # fmt: skip
def test_weights_are_kept_to_the_letter(weight: float, rows: list[int]) -> None:
    member = ["a"] * 4 + ["b"] * 3
    found, copies = drawn_rows(member, {"a": weight, "b": 1.0})
    assert found[: len(rows)].tolist() == rows and found[len(rows) :].tolist() == [4, 5, 6]
    pairs = list(zip(found.tolist(), copies.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs), "each copy by its own number"
    assert np.array_equal(found, drawn_rows(member, {"a": weight, "b": 1.0})[0])


@pytest.mark.parametrize(
    "weights", [None, {}, {"coco": 1}, {"mpii": 1, "coco": 1}, {"coco": 1, "mpii": 0},
                {"coco": 1, "mpii": True}, {"coco": 1, "mpii": "2"}]
)  # fmt: skip
def test_wrong_weights_are_named(weights: object) -> None:
    with pytest.raises(ValueError, match=r"here: given .*for each of coco, mpii, in this order"):
        BOTH.check_weights(weights, "here")
    assert BOTH.check_weights({"coco": 1, "mpii": 0.5}, "here") == {"coco": 1.0, "mpii": 0.5}
