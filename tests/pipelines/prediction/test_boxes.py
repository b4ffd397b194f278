"""Boxes of a detector's file and of COCO's image lists: what is read, what is refused and how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.ground.sample import Pose
from pipelines.prediction.boxes import read_detections
from pipelines.prediction.coco_results import (
    official_name,
    read_image_info,
    read_predictions,
    results_rows,
)

POSE = {"image_id": 5, "category_id": 1, "keypoints": [1.0, 2.0, 0.9, 3, 4, 0.1], "score": 0.5}
GOOD = {"image_id": 5, "category_id": 1, "bbox": [1.0, 2.0, 30.0, 40.0], "score": 0.9}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_people_are_read_others_are_not(tmp_path: Path) -> None:
    rows = [GOOD, {**GOOD, "category_id": 18}, {**GOOD, "bbox": [1, 2, 0, 4]}, {**GOOD, "score": 0}]
    boxes = read_detections(write(tmp_path / "boxes.json", rows), {5, 6})
    assert boxes.image_id.tolist() == [5, 5] and boxes.score.tolist() == [0.9, 0.0]
    assert boxes.box_image.tolist() == [GOOD["bbox"]] * 2
    assert boxes.empty == 1 and boxes.others == {"18": 1}
    assert len(boxes.of_images([6])) == 0 and len(boxes.of_images([5])) == 2


def test_a_file_without_rows_is_no_error(tmp_path: Path) -> None:
    boxes = read_detections(write(tmp_path / "boxes.json", []), {5})
    assert boxes.box_image.shape == (0, 4) and boxes.others == {}


def test_a_person_is_what_the_truth_says_it_is(tmp_path: Path) -> None:
    rows = [{**GOOD, "category_id": each} for each in (7, 1, 1, 0)]
    boxes = read_detections(write(tmp_path / "boxes.json", rows), {5}, person=7)
    assert len(boxes) == 1 and boxes.others == {"0": 1, "1": 2}
    assert boxes.of_images([6]).others == boxes.others


def test_a_file_without_any_person_says_what_is_in_it(tmp_path: Path) -> None:
    rows = [{**GOOD, "category_id": each} for each in (0, 0, 2)]
    path = write(tmp_path / "boxes.json", rows)
    said = r"no row is a person: given 0 \(2 rows\), 2 \(1 rows\), accepted: 1"
    with pytest.raises(ValueError, match=rf"boxes\.json: category_id: {said}"):
        read_detections(path, {5})


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**GOOD, "image_id": 77}, "another data set or split"),
        ({**GOOD, "image_id": [5]}, "another data set or split"),
        ({**GOOD, "image_id": "img-785"}, "another data set or split"),
        ({**GOOD, "image_id": True}, "another data set or split"),
        ({**GOOD, "bbox": [1, 2, 3, 10**400]}, "4 finite numbers"),
        ({**GOOD, "bbox": [1, 2, 3]}, "4 finite numbers"),
        ({**GOOD, "bbox": [1, 2, 3, float("nan")]}, "4 finite numbers"),
        ({**GOOD, "bbox": [1, 2, 3, "4"]}, "4 finite numbers"),
        ({**GOOD, "score": None}, "score: given None"),
        ({**GOOD, "score": 1e30}, "score: given 1e[+]30, accepted: a number, up to 1,000,000"),
        ({**GOOD, "category_id": "person"}, "category_id: given 'person'"),
        ({k: v for k, v in GOOD.items() if k != "score"}, "results format"),
        ("five", "results format"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, row: object, said: str) -> None:
    path = write(tmp_path / "boxes.json", [GOOD, row])
    with pytest.raises(ValueError, match=rf"boxes\.json: row 1: .*{said}"):
        read_detections(path, {5})


@pytest.mark.parametrize("text", ['[{"image_id": 5, "cat', "", "\xff"])
def test_a_file_cut_short_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"boxes\.json: truncated or no json"):
        read_detections(path, {5})
    with pytest.raises(ValueError, match="no such file"):
        read_detections(tmp_path / "none.json", {5})
    with pytest.raises(ValueError, match="accepted: a list"):
        read_detections(write(path, {"a": 1}), {5})


def test_image_info_gives_files_inside_the_folder(tmp_path: Path) -> None:
    info = {"images": [{"id": 3, "file_name": "../../000000000003.jpg"}]}
    files = read_image_info(write(tmp_path / "info.json", info), tmp_path / "test2017")
    assert files == {3: tmp_path / "test2017" / "000000000003.jpg"}
    with pytest.raises(ValueError, match=r"images\[0\]"):
        read_image_info(write(tmp_path / "info.json", {"images": [{"id": 3}]}), tmp_path)
    with pytest.raises(ValueError, match="no list `images`"):
        read_image_info(write(tmp_path / "info.json", []), tmp_path)


def test_images_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    """Found where the list says, or by the last name where all lie in one folder; never shared."""
    rows = [{"id": 3, "file_name": "a/1.jpg"}, {"id": 4.0, "file_name": "b/1.jpg"}]
    info = write(tmp_path / "info.json", {"images": rows})
    for folder in ("a", "b"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        (tmp_path / "images" / folder / "1.jpg").touch()
    files = read_image_info(info, tmp_path / "images")
    assert files == {n: tmp_path / "images" / f / "1.jpg" for n, f in ((3, "a"), (4, "b"))}
    with pytest.raises(ValueError, match=r"images\[1\]: .*elsewhere/1.jpg is image 3 too"):
        read_image_info(info, tmp_path / "elsewhere")
    write(info, {"images": [rows[0], {"id": 3, "file_name": "2.jpg"}]})
    with pytest.raises(ValueError, match="id 3 twice"):
        read_image_info(info, tmp_path / "images")


def test_a_box_is_as_long_as_one_that_is_given_may_be(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    write(path, [{**GOOD, "image_id": 5, "bbox": [-1e6, 0, 1e6, 1e6]}])
    assert read_detections(path, {5}).box_image.tolist() == [[-1e6, 0, 1e6, 1e6]]
    for odd in ([0, 0, 1000001, 5], [0, 0, 5, 3e38], [-1000001, 0, 5, 5]):
        write(path, [{**GOOD, "image_id": 5, "bbox": odd}])
        with pytest.raises(ValueError, match=r"row 0: bbox: .*4 finite numbers, up to 1,000,000"):
            read_detections(path, {5})


@pytest.mark.parametrize("image_id", [5, 5.0])
def test_a_byte_order_mark_and_a_point_are_no_faults(tmp_path: Path, image_id: float) -> None:
    path = write(tmp_path / "boxes.json", [{**GOOD, "image_id": image_id}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_detections(path, {5}).image_id.tolist() == [5]


def test_results_rows_are_keypoints_not_boxes() -> None:
    pose = Pose(
        np.array([[1.5, 2.5], [3.0, 4.0]]),
        np.array([2, 2]),
        score=0.75,
        keypoint_scores=np.array([0.5, 1.0]),
    )
    (row,) = results_rows({9: [pose]})
    assert row == {
        "image_id": 9,
        "category_id": 1,
        "keypoints": [1.5, 2.5, 0.5, 3.0, 4.0, 1.0],
        "score": 0.75,
    }
    assert official_name("limber") == "person_keypoints_test-dev2017_limber_results.json"


def test_the_real_detections_of_coco(real_data: Path) -> None:
    root = real_data / "coco_mini"
    truth = json.loads((root / "annotations/person_keypoints_val2017.json").read_text())
    known = {image["id"] for image in truth["images"]}
    path = root / "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
    boxes = read_detections(path, known)
    assert len(boxes) == 250 and len(set(boxes.image_id.tolist())) == 8
    train = json.loads((root / "annotations/person_keypoints_train2017.json").read_text())
    with pytest.raises(ValueError, match="another data set or split"):
        read_detections(path, {image["id"] for image in train["images"]})


def test_poses_are_read_back(tmp_path: Path) -> None:
    path = write(tmp_path / "poses.json", [POSE, {**POSE, "image_id": 6.0}])
    poses = read_predictions(path, 0.5, 2)
    assert sorted(poses) == [5, 6]
    (pose,) = poses[5]
    assert pose.keypoints_image.tolist() == [[1, 2], [3, 4]] and pose.visibility.tolist() == [2, 0]
    assert pose.score == 0.5 and results_rows({5: [pose]}) == [POSE]


@pytest.mark.parametrize(
    "row",
    [
        {**POSE, "image_id": float("inf")},
        {**POSE, "image_id": "5"},
        {**POSE, "score": -1e30},
        {**POSE, "score": [1]},
        {**POSE, "keypoints": POSE["keypoints"][:3]},
        {**POSE, "keypoints": [10**400, 2, 3, 4, 5, 6]},
        {**POSE, "keypoints": [[1, 2, 3], [4, 5, 6]]},
        {**POSE, "keypoints": 5},
        {key: each for key, each in POSE.items() if key != "keypoints"},
        "five",
    ],
)
def test_a_malformed_pose_is_named(tmp_path: Path, row: object) -> None:
    path = write(tmp_path / "poses.json", [POSE, row])
    said = r"poses\.json: row 1: malformed, accepted: image_id, score and 2 keypoints"
    with pytest.raises(ValueError, match=said):
        read_predictions(path, 0.5, 2)
