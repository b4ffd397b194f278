"""COCO's json: who is a person, what is missing or malformed; what is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.datasets.formats import coco
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from tests.worlds.label_files import coco_rows, pictures

Change = Callable[[dict[str, Any]], object]


def read(root: Path, change: Change = lambda content: None, category: str | None = None) -> Labels:
    content = coco_rows()
    change(content)
    (root / "labels.json").write_text(json.dumps(content))
    return coco.read(root / "labels.json", pictures(root / "photos"), category)


def first(content: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(content, "annotations")[0]


def test_what_the_file_says_is_kept(tmp_path: Path) -> None:
    polygon, rle = [[1.0, 2.0, 9.0, 2.0, 5.0, 9.0]], {"size": [48, 64], "counts": [0, 3072]}

    def change(content: dict[str, Any]) -> None:
        one, two, _ = content["annotations"]
        one |= {"segmentation": polygon, "area": 123.5, "num_keypoints": 0}
        two |= {"segmentation": rle, "iscrowd": 1}
        content["images"][0]["video_id"] = 7

    image = read(tmp_path, change).images[0]
    one, two = image.people
    assert one.segmentation == polygon and one.area == 123.5 and one.num_keypoints == 0
    assert two.segmentation == rle and two.is_crowd and not one.is_crowd
    assert image.group == "7" and image.id == "1" and [one.id, two.id] == ["1", "2"]


def test_what_the_file_does_not_say_stays_unsaid(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for key in ("area", "iscrowd", "segmentation", "num_keypoints", "bbox"):
            del first(content)[key]
        del content["images"][0]["width"]

    image = read(tmp_path, change).images[0]
    person = image.people[0]
    assert (image.width, image.height) == (0, 48)
    assert person.area is person.box_image is person.num_keypoints is person.segmentation is None


def test_a_person_without_keypoints_is_one_of_whom_none_is_labelled(tmp_path: Path) -> None:
    person = read(tmp_path, lambda content: first(content).pop("keypoints")).images[0].people[0]
    assert person.visibility.tolist() == [0, 0, 0, 0] and person.box_image == (4, 4, 16, 36)


def _keypoints(values: object) -> Change:
    return lambda content: first(content).update(keypoints=values)


BAD = {
    "too few": (_keypoints([1, 2, 2]), "3 values instead of 12: keypoints"),
    "texts": (_keypoints(["a"] * 12), "no numbers: keypoints"),
    "an object": (_keypoints({"nose": 1}), "no numbers: keypoints"),
    "not finite": (_keypoints([float("nan")] * 12), "not finite: keypoints"),
    "none": (_keypoints([None] * 12), "not finite: keypoints"),
    "far away": (_keypoints([1e30] * 12), "beyond 10000000 pixels: keypoints"),
    "long numbers": (_keypoints([10**400] * 12), "no numbers: keypoints"),
    "a flag of 3": (_keypoints([1, 2, 3] * 4), "visibility other than 0, 1, 2"),
    "a narrow box": (lambda c: first(c).update(bbox=[1, 1, -2, 2]), "a side below 0: box"),
    "a short box": (lambda c: first(c).update(bbox=[1, 1]), "2 values instead of 4: box"),
    "an area": (lambda c: first(c).update(area=float("inf")), "not finite: area"),
    "a vast area": (lambda c: first(c).update(area=1e30), "area beyond any image"),
    "half a crowd": (lambda c: first(c).update(iscrowd=2), "iscrowd other than 0, 1"),
    "another image": (lambda c: first(c).update(image_id=99), "unknown image"),
    "another category": (lambda c: first(c).update(category_id=99), "unknown category"),
}


@pytest.mark.parametrize("change, reason", BAD.values(), ids=BAD)
def test_a_bad_person_is_noted_and_the_others_are_read(
    change: Change, reason: str, tmp_path: Path
) -> None:
    labels = read(tmp_path, change)
    assert [(note.kind, note.id, note.reason) for note in labels.notes] == [("person", "1", reason)]
    assert [len(image.people) for image in labels.images] == [1, 1]


def _image(**values: object) -> Change:
    return lambda content: content["images"][0].update(values)


BAD_IMAGES = {
    "no name": (_image(file_name=None), "no file name"),
    "no such file": (_image(file_name="c.jpg"), "no such image below"),
    "outside": (_image(file_name="../labels.json"), "no such image below"),
    "no id": (_image(id=None), "no id"),
    "the id of another": (_image(id=2), "the id of another image"),
    "the file of another": (_image(file_name="sub/b.png"), "the same file as image 1"),
}


@pytest.mark.parametrize("change, reason", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_noted_and_the_others_are_read(
    change: Change, reason: str, tmp_path: Path
) -> None:
    labels = read(tmp_path, change)
    assert len(labels.images) == 1
    assert [reason in note.reason for note in labels.notes if note.kind == "image"] == [True]


DOG = {"id": 7, "name": "dog", "keypoints": ["head", "tail"]}
DOGS = {"id": 50, "image_id": 1, "category_id": 7, "keypoints": [1, 1, 2, 5, 5, 2]}


def _dogs(content: dict[str, Any]) -> None:
    content["categories"].append(DOG)
    content["annotations"].append(DOGS)


def _only_boxes(content: dict[str, Any]) -> None:
    for row in content["annotations"]:
        del row["keypoints"]
    content["categories"] = [{"id": 1, "name": "worker"}]


def _names(names: list[object]) -> Change:
    return lambda content: content["categories"][0].update(keypoints=names)


def _elsewhere(content: dict[str, Any]) -> None:
    for place, image in enumerate(content["images"]):
        image["file_name"] = f"x/{place}.jpg"


NOBODY = "no person with a labelled keypoint in 2 images with 0 people called 'worker'"
WHOLE_FILES: dict[str, tuple[Change, str | None, str]] = {
    "several kinds": (
        _dogs,
        None,
        r"several have keypoints: worker \(id 1: 4 keypoints, 3 rows\), "
        r"dog \(id 7: 2 keypoints, 1 rows\); name one: --category of",
    ),
    "another kind": (_dogs, "cat", r"no 'cat' with keypoints among worker \(id 1"),
    "boxes alone": (_only_boxes, None, r"none has keypoints: worker \(id 1: 0 keypoints, 3 rows\)"),
    "no list": (lambda c: c.pop("annotations"), None, "no list of objects: annotations; its keys"),
    "no names": (_names(["", 1, 2, 3]), None, "a keypoint without a name"),
    "names twice": (_names(["a"] * 4), None, "keypoints named twice: a"),
    "a million names": (_names([0] * 10**6), None, "1000000 keypoints"),
    "nobody": (lambda c: c["annotations"].clear(), None, NOBODY),
    "all elsewhere": (_elsewhere, None, r"in 0 images .*2 rows left out: 2 x no such image below"),
    "bodies alone": (lambda c: None, "wholebody", "no row has foot_kpts"),
}


@pytest.mark.parametrize("change, category, told", WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_file_of_no_use_is_refused_with_what_it_holds(
    change: Change, category: str | None, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told) as error:
        read(tmp_path, change, category)
    assert str(error.value).startswith(str(tmp_path / "labels.json"))


BROKEN = {
    "empty": b"",
    "cut": b'{"images": [{"id": 1}',
    "deep": b"[" * 200_000,
    "a long number": b'{"images": ' + b"9" * 5000 + b"}",
    "not text": bytes(range(128, 256)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: truncated or no json"):
        coco.read(tmp_path / "a.json", tmp_path)


def test_several_kinds_are_told_apart_by_name_or_id(tmp_path: Path) -> None:
    for asked in ("dog", "7"):
        labels = read(tmp_path, _dogs, asked)
        assert labels.category == "dog" and labels.keypoints == ("head", "tail")
        assert [len(image.people) for image in labels.images] == [1, 0] and labels.notes == ()


def test_keypoints_that_no_category_names_are_numbered(tmp_path: Path) -> None:
    labels = read(tmp_path, lambda content: content["categories"][0].pop("keypoints"))
    assert labels.keypoints == ("keypoint_1", "keypoint_2", "keypoint_3", "keypoint_4")


def test_limbs_count_from_1_or_from_0_and_strange_ones_are_left_out(tmp_path: Path) -> None:
    def limbs(*pairs: object) -> tuple[tuple[str, str], ...]:
        return read(tmp_path, lambda c: c["categories"][0].update(skeleton=list(pairs))).limbs

    assert limbs([1, 4], [2, 1]) == (("nose", "hip"), ("left_wrist", "nose"))
    assert limbs([0, 3], [1, 0]) == (("nose", "hip"), ("left_wrist", "nose"))
    assert limbs([1, 9], [2, 2], [1], "x", [None, 1], [1, 4]) == (("nose", "hip"),)


def _labels(person: LabelledPerson, **image: Any) -> Labels:
    size = {"width": 64, "height": 48} | image
    return Labels("worker", ("a", "b"), (LabelledImage("x.png", **size, people=(person,)),))


def test_what_labels_do_not_say_is_filled_in_when_written(tmp_path: Path) -> None:
    points, flags = np.array([[1.5, 2.0], [4.0, 8.25]]), np.array([1, 2])
    coco.write(_labels(LabelledPerson(points, flags)), tmp_path / "deep" / "labels.json")
    content = json.loads((tmp_path / "deep" / "labels.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "x.png", "width": 64, "height": 48}]
    assert content["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "keypoints": [1.5, 2.0, 1, 4.0, 8.25, 2],
            "num_keypoints": 2,
            "bbox": [1.5, 2.0, 2.5, 6.25],
            "area": 15.625,
            "iscrowd": 0,
            "segmentation": [],
        }
    ]
    with pytest.raises(ValueError, match=r"1 images without a size: x\.png"):
        coco.write(_labels(LabelledPerson(points, flags), width=0), tmp_path / "l.json")


def test_a_folder_stands_for_its_one_json(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    labels = coco_rows()
    (tmp_path / "annotations" / "default.json").write_text(json.dumps(labels))
    assert len(coco.read(tmp_path, pictures(tmp_path / "images")).images) == 2
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"2 json files: default\.json, other\.json; name the"):
        coco.read(tmp_path, tmp_path / "images")


def test_images_are_found_under_the_names_that_tools_write(tmp_path: Path) -> None:
    for name in ("a/one.jpg", "b/one.jpg", "b/Straße 1.JPG", "café.jpg", "0a1b2c3d-x.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    meant = {
        "one.jpg": None,  # which?
        "a/one.jpg": "a/one.jpg",
        r"D:\set\b\one.jpg": "b/one.jpg",
        "photos/b/stra%C3%9Fe%201.jpg": "b/Straße 1.JPG",
        "cafe\u0301.jpg": "café.jpg",
        "c/one.jpg": None,  # neither a/ nor b/
        "images/0a1b2c3d-x.jpg": "0a1b2c3d-x.jpg",
    }
    for name, file in meant.items():
        images = read_one(tmp_path, name)
        assert [image.file for image in images] == ([file] if file else []), name


def read_one(root: Path, name: str) -> tuple[LabelledImage, ...]:
    """The images of a file with one image of that name, and one that is always there."""
    content = coco_rows()
    content["images"][0]["file_name"] = name
    content["images"][1]["file_name"] = "sure.png"
    Image.new("RGB", (8, 8)).save(root / "photos" / "sure.png")
    (root / "labels.json").write_text(json.dumps(content))
    images = coco.read(root / "labels.json", root / "photos").images
    return tuple(image for image in images if image.file != "sure.png")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"nose": 1}, "the keypoints of 'worker' are an object, accepted: a list of their names"),
        (["a\nb", "c", "d", "e"], "line breaks or control characters .*: 'a.nb'"),
    ],
)
def test_names_that_are_no_list_of_one_line_each_are_refused(
    tmp_path: Path, names: object, said: str
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["categories"][0] |= {"keypoints": names, "name": "worker"}

    with pytest.raises(ValueError, match=said):
        read(tmp_path, change)


@pytest.mark.parametrize(
    ("images", "people", "written"),
    [
        (("7", "9"), ("4", "5"), ([7, 9], [4, 5])),
        (("7", "a"), ("4", "5"), ([1, 2], [4, 5])),
        (("7", "7"), ("0", "5"), ([1, 2], [1, 2])),  # a person of id 0 is lost in COCO's evaluation
        (("0", "7"), ("", ""), ([0, 7], [1, 2])),
    ],
)
def test_whole_and_different_ids_are_kept(
    tmp_path: Path, images: tuple[str, str], people: tuple[str, str], written: object
) -> None:
    rows = tuple(
        LabelledImage(
            f"{n}.jpg", 64, 48, (LabelledPerson(np.ones((1, 2)), np.array([2]), id=one),), id=image
        )
        for n, (image, one) in enumerate(zip(images, people, strict=True))
    )
    coco.write(Labels("person", ("tip",), rows), tmp_path / "x.json")
    content = json.loads((tmp_path / "x.json").read_text())
    ids = [row["id"] for row in content["images"]]
    assert (ids, [row["id"] for row in content["annotations"]]) == written
    assert [row["image_id"] for row in content["annotations"]] == ids
