"""Boxes that somebody gives find their photos and pictures of videos; wrong rows are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.ground.skeleton import load_skeleton
from pipelines.prediction.given_boxes import GivenBoxes, read_given_boxes

COCO = load_skeleton("coco")
BOX = [1.0, 2.0, 3.0, 4.0]


def given(tmp_path: Path, content: Any) -> GivenBoxes:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return read_given_boxes(path, COCO)


def row(left: float = 1.0, **keys: Any) -> dict[str, Any]:
    return {"category_id": 1, "bbox": [left, *BOX[1:]], "score": 0.5, **keys}


def lefts(boxes: GivenBoxes, name: str, index: int = 0) -> list[float] | None:
    people = boxes.of(name, index)
    return None if people is None else people.box_image[:, 0].tolist()


def test_results_belong_to_the_photo_that_is_named_by_their_number(tmp_path: Path) -> None:
    boxes = given(tmp_path, [row(1, image_id=785), row(2, image_id=9), row(3, image_id=785)])
    assert lefts(boxes, "val2017/000000000785.jpg") == [1, 3]
    assert lefts(boxes, "9.png") == [2]
    assert lefts(boxes, "other.jpg") is None and lefts(boxes, "10.jpg") is None
    people = boxes.of("9.png")
    assert people is not None and people.box_image.tolist() == [[2, 2, 3, 4]]
    assert people.score.tolist() == [0.5] and len(boxes) == 3


def test_results_belong_to_the_picture_of_a_video_that_their_number_is(tmp_path: Path) -> None:
    boxes = given(tmp_path, [row(1, image_id=0), row(2, image_id=3), row(4, frame=5)])
    assert [lefts(boxes, "clip.mp4", n) for n in (0, 3, 5, 1)] == [[1], [2], [4], None]
    assert lefts(boxes, "0003.mp4", 0) == [1], "a video's name is no number of it"


def test_names_go_before_numbers_and_whole_paths_before_last_names(tmp_path: Path) -> None:
    rows = [row(1, file_name="a/x.jpg", image_id=7), row(2, file_name="b/x.jpg", image_id=8),
            row(3, file_name="b/y.jpg", image_id=9), row(4, image_id=7)]  # fmt: skip
    boxes = given(tmp_path, rows)
    assert lefts(boxes, "a/x.jpg") == [1] and lefts(boxes, "b/x.jpg") == [2]
    assert lefts(boxes, "x.jpg") is None, "two files have that name"
    assert lefts(boxes, "y.jpg") == lefts(boxes, "elsewhere/y.jpg") == [3]
    assert lefts(boxes, "7.jpg") == [4] and lefts(boxes, "8.jpg") is None


def test_pictures_of_several_videos_are_told_apart(tmp_path: Path) -> None:
    rows = [row(1, file_name="a.mp4", frame=0), row(2, file_name="b.mp4", frame=0),
            row(3, file_name="b.mp4", frame=1, image_id=1)]  # fmt: skip
    boxes = given(tmp_path, rows)
    assert [lefts(boxes, name, 0) for name in ("a.mp4", "b.mp4", "videos/b.mp4")] == [[1], [2], [2]]
    assert lefts(boxes, "b.mp4", 1) == [3] and lefts(boxes, "a.mp4", 1) is None


def test_annotations_bring_their_images_those_without_anybody_too(tmp_path: Path) -> None:
    images = [{"id": 5, "file_name": "a.jpg"}, {"id": 6, "file_name": "b.jpg"}]
    people = {"id": 4, "name": "person", "keypoints": list(COCO.keypoints)}
    annotations = [
        {"image_id": 5, "category_id": 4, "bbox": BOX},
        {"image_id": 5, "category_id": 4, "bbox": [9, 9, 9, 9], "iscrowd": 1},
        {"image_id": 5, "category_id": 4, "bbox": [9, 9, 0, 9]},
        {"image_id": 6, "category_id": 2, "bbox": BOX},
    ]
    categories = [{"id": 2, "name": "dog"}, people]
    content = {"images": images, "annotations": annotations, "categories": categories}
    boxes = given(tmp_path, content)
    found = boxes.of("photos/a.jpg")
    assert found is not None and found.box_image.tolist() == [BOX] and found.score.tolist() == [1]
    assert lefts(boxes, "b.jpg") == [] and lefts(boxes, "c.jpg") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"boxes": []}, "no list of boxes in it, accepted: a list of COCO results"),
        ([row(image_id=1, bbox=[1, 2, float("nan"), 4])], r"row 0: bbox: given \[1, 2, nan, 4\]"),
        ([row(image_id=1), row(image_id=1, bbox=[1, 2, -3, 4])], "row 1: bbox: .*no side below 0"),
        ([row(image_id=1, bbox=[1, 2, 3])], "row 0: bbox"),
        ([row(image_id=1, bbox=[1, 2, 3, 2e6])], "row 0: bbox: .* up to 1,000,000, no side"),
        ([row(image_id=1, bbox=[-2e6, 2, 3, 4])], "row 0: bbox: .* up to 1,000,000, no side"),
        ([row(image_id=1, bbox="all")], "row 0: bbox: given 'all'"),
        ([row(image_id=1, score="high")], "row 0: score: given 'high'"),
        ([row(image_id=1, score=-1e30)], "row 0: score: given -1e[+]30, accepted: a number, up to"),
        ([row(image_id=1, category_id=[1])], r"row 0: category_id: given \[1\]"),
        ([row()], "row 0: no image_id, file_name or frame"),
        (["box"], "row 0: given 'box'"),
        ([row(image_id=1, category_id=3)], "no row is a person's box"),
        ({"images": [{"id": 1}], "annotations": [row(image_id=2)]}, "row 0: image_id 2 is none"),
        ({"images": [{"file_name": "a"}], "annotations": []}, r"images\[0\]: given"),
        (
            {"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": ["beak"]}]},
            r"categories: its people have keypoints beak, accepted: nose, .*\(coco\)",
        ),
        (
            {"images": [], "annotations": [], "categories": [{"id": 1, "keypoints": 5}]},
            "categories: its people have keypoints 5, accepted: nose",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        given(tmp_path, content)
    assert "boxes.json" in str(refused.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text("[{")
    for name, said in (("cut.json", "truncated or no json"), ("none.json", "no such file")):
        with pytest.raises(ValueError, match=said):
            read_given_boxes(tmp_path / name, COCO)
