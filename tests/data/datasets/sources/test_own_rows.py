"""Labels of any format as COCO's json: the file's words kept, what it leaves unsaid said once."""

from __future__ import annotations

from typing import Any

import pytest

from data.datasets.formats.labels import Labels
from data.datasets.sources.own_rows import coco_content
from data.ground.skeleton import Skeleton
from tests.worlds.labelled import NAMES, image, labels, person

SKELETON = Skeleton("toy", ("right_hand", "head", "left_hand", "foot"), (), (), (0.05,) * 4, ())


def rows(*people: Any, skeleton: Skeleton = SKELETON) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = coco_content(
        labels(image("a.jpg", *people)), skeleton, "mine.json"
    )["annotations"]
    return content


def test_keypoints_come_in_the_skeletons_order_and_others_are_absent() -> None:
    (row,) = rows(person([(1, 2), (3, 4), (5, 6)], [2, 1, 0]))
    assert row["keypoints"] == [0, 0, 0, 1, 2, 2, 3, 4, 1, 0, 0, 0]
    assert row["num_keypoints"] == 2


@pytest.mark.parametrize(
    "names", [("Head", "Left Hand", "RIGHT-HAND"), ("head", "lefthand", "right.hand")]
)
def test_spellings_of_a_name_count_as_one(names: tuple[str, ...]) -> None:
    content = coco_content(labels(image("a.jpg"), keypoints=names), SKELETON, "mine.json")
    assert content["annotations"][0]["keypoints"][3:5] == [50, 10]


def test_keypoints_without_names_are_in_the_skeletons_order() -> None:
    plain = Skeleton("toy", NAMES, (), (), (0.05,) * 3, ())
    names = tuple(f"keypoint_{k}" for k in (1, 2, 3))
    content = coco_content(labels(image("a.jpg"), keypoints=names), plain, "mine.json")
    assert content["annotations"][0]["keypoints"] == [50, 10, 2, 20, 40, 2, 80, 40, 2]


def test_names_that_are_the_skeletons_to_the_letter_need_no_other_spelling() -> None:
    close = Skeleton("toy", ("p10", "p1_0", "q"), (), (), (0.05,) * 3, ())
    content = coco_content(
        labels(image("a.jpg"), keypoints=("p1_0", "p10", "q")), close, "mine.json"
    )
    assert content["annotations"][0]["keypoints"] == [20, 40, 2, 50, 10, 2, 80, 40, 2]


def test_a_keypoint_that_the_skeleton_lacks_is_refused() -> None:
    some = labels(image("a.jpg"), keypoints=("head", "left_hand", "tail"))
    with pytest.raises(ValueError, match=r"mine.json: keypoints tail are not the skeleton's.*toy"):
        coco_content(some, SKELETON, "mine.json")


def test_the_files_own_words_stay() -> None:
    given = {"box_image": (1.5, 2.5, 30.0, 40.0), "area": 7.5, "num_keypoints": 0}
    (row,) = rows(person(**given, is_crowd=True, segmentation=[[1, 2, 3, 4, 5, 6]]))
    assert row["bbox"] == [1.5, 2.5, 30.0, 40.0] and row["area"] == 7.5
    assert row["num_keypoints"] == 0 and row["iscrowd"] == 1
    assert row["segmentation"] == [[1, 2, 3, 4, 5, 6]]


def test_a_box_that_no_file_tells_lies_around_the_labelled_keypoints() -> None:
    (row,) = rows(person([(10, 10), (30, 50), (0, 0)], [2, 1, 0]))
    assert row["bbox"] == [8, 6, 24, 48], "20 x 40, a tenth wider on each side"
    assert row["area"] == pytest.approx(0.53 * 24 * 48)
    (row,) = rows(person([(10, 10), (10, 60), (0, 0)], [2, 2, 0]))
    assert row["bbox"][2] == pytest.approx(0.2 * 50 * 1.2), "a line gets a fifth of its length"


def test_a_single_keypoint_without_a_box_has_no_size() -> None:
    content = coco_content(
        labels(image("a.jpg", person(seen=[2, 0, 0], id="7"), person())), SKELETON, "mine.json"
    )
    assert len(content["annotations"]) == 1
    told = {"kind": "person", "id": "7", "image": "a.jpg"}
    assert content["notes"] == [told | {"reason": "one keypoint and no box, its size is unknown"}]


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        (["785", "12"], [785, 12]),
        (["785", "img-12"], [1, 2]),
        (["785", "785"], [1, 2]),
        (["007", "8"], [1, 2]),
        ([str(2**63 - 1), "0"], [2**63 - 1, 0]),
        ([str(2**63), "0"], [1, 2]),
    ],
)
def test_ids_are_the_files_where_they_are_whole_and_differ(said: list[str], ids: list[int]) -> None:
    some = labels(*(image(f"{n}.jpg", id=each) for n, each in enumerate(said)))
    content = coco_content(some, SKELETON, "mine.json")
    assert [row["id"] for row in content["images"]] == ids
    assert [row["image_id"] for row in content["annotations"]] == ids
    assert [row["source_id"] for row in content["images"]] == said


def test_people_without_any_labelled_keypoint_are_no_data_set() -> None:
    empty: Labels = labels(image("a.jpg", person(seen=[0, 0, 0], box_image=(1, 2, 3, 4))))
    with pytest.raises(ValueError, match=r"mine.json: nobody in 1 images has a labelled keypoint"):
        coco_content(empty, SKELETON, "mine.json")
    lone = labels(image("a.jpg", *[person(seen=[2, 0, 0])] * 3))
    with pytest.raises(ValueError, match=r"left out: 3 x one keypoint and no box, its size is unk"):
        coco_content(lone, SKELETON, "mine.json")
