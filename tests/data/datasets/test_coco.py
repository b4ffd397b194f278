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
    "area beyond any image": person(15, area=1e30),
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
    "width and height are no whole numbers above 0": image(2, width=640.5),
    "id is no whole number of 64 bits": image("img-785"),
}


@pytest.mark.parametrize("reason", BAD_IMAGES)
def test_a_bad_image_row_takes_its_people_along(tmp_path: Path, reason: str) -> None:
    write(tmp_path, [image(1), BAD_IMAGES[reason]], [person(4), person(5, 2)])
    found, rejected = read(tmp_path)
    assert [s.image_id for s in found] == [1]
    reasons = {(r.kind, r.reason) for r in rejected}
    assert ("image", reason) in reasons and len([r for r in rejected if r.kind == "person"]) == 1


@pytest.mark.parametrize("odd", ["img-785", 2**63, 785.5, True, None, [1], {}, 1e300])
def test_an_id_that_is_none_is_read_by_nobody(tmp_path: Path, odd: Any) -> None:
    """Neither in tables nor in the truth, as an image's, a person's or that of a person's image."""
    write(tmp_path, [image(1), image(odd)], [person(4), person(odd), person(6, odd)])
    found, rejected = read(tmp_path)
    assert [(s.image_id, [p.id for p in s.poses]) for s in found] == [(1, [4])]
    kinds = [("image", odd), ("person", odd), ("person", 6)]
    assert sorted((r.kind, r.id) for r in rejected) == sorted((k, str(n)) for k, n in kinds)
    assert {r.reason for r in rejected if r.id == "6"} == {"image row not usable"}
    truth = Coco().truth(tmp_path, "train")
    assert {k: [p.id for p in v] for k, v in truth.items()} == {1: [4]}


@pytest.mark.parametrize("written", [785.0, 2**63 - 1, -5, 0])
def test_whole_numbers_of_64_bits_are_ids_in_any_writing(tmp_path: Path, written: Any) -> None:
    write(tmp_path, [image(written, width=64.0)], [person(written, written)])
    found, rejected = read(tmp_path)
    number = int(written)
    assert [(s.image_id, s.width, [p.id for p in s.poses]) for s in found] == [
        (number, 64, [number])
    ]
    assert rejected == [] and list(Coco().truth(tmp_path, "train")) == [number]


def test_people_twice_and_images_twice_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, [image(1), image(1)], [person(4), person(4), person(5)])
    found, rejected = read(tmp_path)
    assert [p.id for p in found[0].poses] == [4, 5] and len(rejected) == 2
    truth = Coco().truth(tmp_path, "train")
    assert {k: [p.id for p in v] for k, v in truth.items()} == {1: [4, 5]}


def test_a_missing_area_is_taken_from_the_box_and_told(tmp_path: Path) -> None:
    some = [person(4), person(5, area=None), person(6, bbox=[3, 4, 0, 0])]
    for row in (some[0], some[2]):
        del row["area"]
    write(tmp_path, [image(1)], some)
    found, rejected = read(tmp_path)
    expected = [0.53 * 30 * 40] * 2 + [0.53 * 16 * 32]  # the last has no box: of the keypoints'
    assert [p.area for p in found[0].poses] == pytest.approx(expected)
    assert [p.area for p in Coco().truth(tmp_path, "train")[1]] == pytest.approx(expected)
    assert [(r.kind, r.id, "its box" in r.reason) for r in rejected] == [
        ("note", "4", True), ("note", "5", True), ("note", "6", False)]  # fmt: skip
    assert all(r.reason.startswith("no area: 0.53 of ") for r in rejected)


def test_a_first_person_without_keypoints_is_no_person(tmp_path: Path) -> None:
    """As an export has it: "person" as the group of all labels, then the one with keypoints."""
    group = {"id": 0, "name": "person", "supercategory": "none"}
    write(tmp_path, [image(1)], [person(4), person(5, category_id=0)])
    path = Coco().truth_file(tmp_path, "train")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": [group, PERSON]}))
    found, rejected = read(tmp_path)
    assert [p.id for p in found[0].poses] == [4] and rejected == []
    assert [p.id for p in Coco().truth(tmp_path, "train")[1]] == [4]
    assert Coco().person_category(tmp_path, "train") == 1


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
        ('{"images": [], "annotations": [], "categories": [{"name": "dog", "keypoints": ["a"]}]}',
         r"no person with keypoints among 'dog' \(1 keypoints\)"),
        ("[" * 99999, "truncated or no json"),
        ('{"images": ' + "1" * 5000 + "}", "truncated or no json"),
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
