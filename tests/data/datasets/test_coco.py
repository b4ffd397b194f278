"""COCO's json: good rows as they stand, bad rows with their reason, other files refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from data.datasets.coco import Coco
from data.ground.sample import Rejected

PERSON = {"id": 1, "name": "person", "keypoints": list(Coco.SKELETON.keypoints)}


def image(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48} | changes


def person(number: int, image_id: int = 1, **changes: Any) -> dict[str, Any]:
    keypoints = [v for k in range(17) for v in (k, 2 * k, 2)]
    row = {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints,
           "bbox": [1.5, 2, 30, 40], "area": 700.5, "iscrowd": 0,
           "segmentation": [[0, 0, 9, 0, 9, 9]]}  # fmt: skip
    return row | changes


def write(root: Path, images: list[Any], people: list[Any], split: str = "train") -> None:
    path = Coco().truth_file(root, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": people, "categories": [PERSON]}
    path.write_text(json.dumps(content))


def read(root: Path) -> tuple[list[Any], list[Rejected]]:
    rejected: list[Rejected] = []
    return list(Coco().samples(root, "train", rejected.append)), rejected


def test_rows_come_as_they_stand(tmp_path: Path) -> None:
    nobody = {"keypoints": [0] * 51}
    crowd = {"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [48, 64]}} | nobody
    people = [person(7), person(8, **nobody), person(9, 2, **crowd)]
    write(tmp_path, [image(1), image(2), image(3)], people)
    found, rejected = read(tmp_path)
    assert rejected == [] and [len(s.poses) for s in found] == [2, 1, 0]
    first = found[0]
    assert first.image_path == tmp_path / "train2017" / "1.jpg" and first.width == 64
    pose = first.poses[0]
    assert pose.id == 7 and pose.box_image == (1.5, 2, 30, 40) and pose.area == 700.5
    assert pose.keypoints_image[3].tolist() == [3, 6] and pose.visibility.tolist() == [2] * 17
    assert first.ignore == ([[0, 0, 9, 0, 9, 9]],)
    assert found[1].poses[0].is_crowd and found[1].ignore == (crowd["segmentation"],)
    truth = Coco().truth(tmp_path, "train")
    assert {k: [p.id for p in v] for k, v in truth.items()} == {1: [7, 8], 2: [9], 3: []}


BAD_PEOPLE = {
    "not finite: keypoints": person(5, keypoints=[math.nan, *[1] * 50]),
    "wrong number of values: keypoints": person(5, keypoints=[1] * 48),
    "wrong number of values: box": person(5, bbox=[1, 2, 3]),
    "not finite: box": person(5, bbox=[1, 2, 10**400, 4]),
    "not finite: area": person(5, area=math.inf),
    "no box": person(5, bbox=None),
    "duplicate id": person(4),
    "id is no whole number of 64 bits": person("img-785"),
    "unknown category": person(5, category_id=3),
    "unknown image": person(5, 99),
    "visibility other than 0, 1, 2": person(5, keypoints=[1, 1, 3] * 17),
    "no id": person(5, id=None),
}


@pytest.mark.parametrize("reason", BAD_PEOPLE)
def test_a_bad_person_is_told_with_its_reason(tmp_path: Path, reason: str) -> None:
    write(tmp_path, [image(1)], [person(4), BAD_PEOPLE[reason]])
    found, rejected = read(tmp_path)
    assert [p.id for p in found[0].poses] == [4]
    assert [(r.kind, r.reason) for r in rejected] == [("person", reason)]
    assert Coco().truth(tmp_path, "train")[1][0].id == 4  # and the truth can still be read


BAD_IMAGES = {
    "duplicate id": image(1),
    "no file name": image(2, file_name=None),
    "file name leaves the folder": image(2, file_name="../../etc/passwd"),
    "no width and height": image(2, width=0),
}


@pytest.mark.parametrize("reason", BAD_IMAGES)
def test_a_bad_image_row_takes_its_people_along(tmp_path: Path, reason: str) -> None:
    write(tmp_path, [image(1), BAD_IMAGES[reason]], [person(4), person(5, 2)])
    found, rejected = read(tmp_path)
    assert [s.image_id for s in found] == [1]
    reasons = {(r.kind, r.reason) for r in rejected}
    assert ("image", reason) in reasons and len([r for r in rejected if r.kind == "person"]) == 1


def test_other_categories_are_no_people_and_no_faults(tmp_path: Path) -> None:
    write(tmp_path, [image(1)], [person(4), person(5, category_id=2)])
    path = Coco().truth_file(tmp_path, "train")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": [PERSON, {"id": 2, "name": "dog"}]}))
    found, rejected = read(tmp_path)
    assert [p.id for p in found[0].poses] == [4] and rejected == []
    assert len(Coco().truth(tmp_path, "train")[1]) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"images": [', "truncated or no json"),
        ('[{"joints": [], "center": [1, 2]}]', "given a json list, accepted.*person_keypoints"),
        ('{"images": []}', "annotations: missing"),
        ('{"images": [], "annotations": [], "categories": [{"name": "dog"}]}', "no person"),
        ('{"images": [], "annotations": [], "categories": [{"name": "person", '
         '"keypoints": ["a"]}]}', "categories: person has the keypoints"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = Coco().truth_file(tmp_path, "val")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        list(Coco().samples(tmp_path, "val"))
    assert str(path) in str(error.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"person_keypoints_val2017.json: no such file.*fetch"):
        list(Coco().samples(tmp_path, "val"))
    assert Coco().detections_file(tmp_path, "val") is None
