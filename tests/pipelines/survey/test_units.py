"""What fetch or prepare would refuse is told before: each with its number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.datasets.formats.labels import LabelledPerson, Labels, Note
from pipelines.survey.seen import SeenImage
from pipelines.survey.units import unit_warnings, unusable_rows
from tests.worlds.standing import labels_of, person

TWO = ("left_hip", "right_hip")


def told(labels: Labels, *seen: SeenImage) -> list[str]:
    return unit_warnings("val", labels, seen)


def boxed(*box: float) -> LabelledPerson:
    x, y, width, height = box
    return replace(person(names=TWO), box_image=(x, y, width, height))


def test_good_labels_say_nothing() -> None:
    assert told(labels_of([[person(names=TWO)] * 3, []], TWO)) == []
    border = [boxed(600, 400, 60, 60)] + [person(names=TWO)] * 30
    assert told(labels_of([border], TWO)) == [], "one in 31 leaves the image"


def test_keypoints_from_0_to_1_are_fractions() -> None:
    small = replace(person(names=TWO), keypoints_image=np.array([[0.1, 0.9], [1.0, 0.0]]))
    (line,) = told(labels_of([[small] * 2], TWO))
    assert line.startswith("val: all keypoints lie between 0 and 1")
    larger = replace(small, keypoints_image=np.array([[0.1, 0.9], [1.5, 0.0]]))
    assert told(labels_of([[larger, small]], TWO)) == []


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        (
            [(300, 200, 400, 470), (10, 10, 110, 210)],
            "val: 1 of 2 boxes leave their image: they seem to be x1, y1, x2, y2; write x, y, "
            "width, height",
        ),
        (
            [(300, 200, 400, 470), (200, 10, 110, 210)],
            "val: 1 of 2 boxes leave their image: they are x, y, width, height in pixels of this "
            "image",
        ),
    ],
)
def test_boxes_that_leave_the_image(boxes: list[tuple[float, ...]], said: str) -> None:
    assert told(labels_of([[boxed(*box) for box in boxes]], TWO)) == [said]
    unsized = labels_of([[boxed(*box) for box in boxes]], TWO, size=(0, 0))
    assert told(unsized, SeenImage("1.jpg", size=(640, 480))) == [said], "as the file is"
    assert told(unsized) == [], "no size, no word"


def test_one_keypoint_without_a_box_has_no_size() -> None:
    one = person(names=TWO, flags=(2, 0), box=None)
    labels = labels_of([[one] * 2 + [person(names=TWO)] * 5], TWO)
    assert told(labels) == [
        "val: 2 people have one keypoint and no box: their size is unknown, and they are left out; "
        "label boxes as well",
    ]
    assert unusable_rows({"val": labels}, {"val": []}) == [
        "2 of 8 images and people cannot be used, and prepare refuses more than 10%: mend "
        "them, or raise `bad_row_limit` of the data set in params.yaml",
    ]


def test_images_that_cannot_be_read_and_rows_left_out_count_against_prepares_limit() -> None:
    labels = labels_of([[person(names=TWO)] * 2, [person(names=TWO)]], TWO)
    labels = replace(labels, notes=(Note("person", "9", "1", "no numbers: keypoints"),))
    seen = [SeenImage("1.jpg", "not there"), SeenImage("2.jpg", size=(640, 480))]
    (line,) = unusable_rows({"val": labels}, {"val": seen})
    assert line.startswith("4 of 6 images and people cannot be used")
    good = labels_of([[person(names=TWO)] * 50], TWO)
    assert unusable_rows({"train": good, "val": labels}, {"train": [], "val": seen}) == [], (
        "4 of 57"
    )
