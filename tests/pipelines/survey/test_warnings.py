"""Each warning says its number where there is something odd, and is silent where there is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.datasets.formats.labels import LabelledPerson, Labels
from data.ground.skeleton import Skeleton
from pipelines.survey.counts import counts_of
from pipelines.survey.seen import SeenImage
from pipelines.survey.warnings import (
    image_warnings,
    label_warnings,
    shared_images,
    small_split,
    wilson,
)
from tests.worlds.standing import NAMES, labels_of, person

PAIRS = tuple((f"left_{part}", f"right_{part}") for part in ("eye", "shoulder", "hip", "ankle"))
SKELETON = Skeleton("nine", NAMES, (), PAIRS, (0.05,) * len(NAMES), ())
SIDES = {left: right for pair in PAIRS for left, right in (pair, pair[::-1])}
ANKLES = {name: SIDES[name] for name in ("left_ankle", "right_ankle")}


def told(labels: Labels) -> list[str]:
    return label_warnings("val", labels, counts_of(labels), SKELETON)


def swapped(of: dict[str, str]) -> tuple[str, ...]:
    return tuple(of.get(name, name) for name in NAMES)


def people(count: int, *, other: LabelledPerson | None = None, others: int = 0) -> Labels:
    return labels_of([[person()] * (count - others) + ([other] * others if other else [])])


def test_good_labels_say_nothing() -> None:
    flags = [1] + [2] * (len(NAMES) - 1)
    assert told(people(60, other=person(flags=flags), others=3)) == []


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            people(3, other=person(flags=[0] * 8 + [1]), others=3),
            ["val: never labelled: " + ", ".join(NAMES[:-1])],
        ),
        (
            people(10, other=person(names=swapped(SIDES)), others=8),
            [
                "val: left and right seem swapped: of people seen from the front (nose and both "
                "eyes visible) 80% of pairs have the left one on the image's left (expected: few)"
            ],
        ),
        (
            people(16, other=person(names=swapped(ANKLES)), others=14),
            [
                "val: left_ankle and right_ankle seem swapped: in 88% of 16 people they point "
                "against the other pairs"
            ],
        ),
        (
            people(2, other=person(box=(0.0, 0.0, 100.0, 60.0)), others=1),
            [
                "val: 22% of keypoints lie outside their person's box: are boxes (x, y, width, "
                "height) in pixels of this image?"
            ],
        ),
    ],
)
def test_what_is_odd_is_told_with_its_share(labels: Labels, said: list[str]) -> None:
    assert told(labels) == said


def test_keypoints_at_the_corner_that_are_marked_are_counted() -> None:
    points, flags = np.zeros((len(NAMES), 2)), np.array([2, 1] + [0] * 7)
    corner = LabelledPerson(points, flags, (0.0, 0.0, 100.0, 200.0))
    said = [line for line in told(labels_of([[person(), corner]])) if "(0, 0)" in line]
    assert said and said[0].startswith("val: 2 keypoints at (0, 0) are marked labelled")


def test_everything_visible_is_told_of_many_people_only() -> None:
    assert any("marked visible (2)" in line for line in told(people(50)))
    assert told(people(49)) == []


def test_a_handful_of_people_never_seems_swapped() -> None:
    assert told(people(7, other=person(names=swapped(SIDES)), others=7)) == []


@pytest.mark.parametrize(
    ("share", "count", "interval"),
    [(0.8, 10, (0.4902, 0.9433)), (0.8, 100, (0.7112, 0.8666)), (0.0, 5, (0.0, 0.4345))],
)
def test_the_interval_is_wilsons(share: float, count: int, interval: tuple[float, float]) -> None:
    """Values of statsmodels' proportion_confint(..., method="wilson"), 95 %."""
    assert wilson(share, count) == pytest.approx(interval, abs=2e-4)


def test_a_split_is_small_until_its_interval_is_a_tenth() -> None:
    assert small_split("val", 10)[0].startswith(
        "val: 10 people: an AP of 0.8 could as well be 0.49 or 0.94 (95 % interval"
    )
    assert small_split("val", 0)[0].startswith("val: 0 people")
    assert small_split("val", 240) and small_split("val", 250) == []


def test_missing_other_sized_and_turned_images_are_told() -> None:
    labels = labels_of([[], [], [], []], size=(640, 480))
    labels = replace(labels, images=(*labels.images, replace(labels.images[0], file="5.jpg",
                                                             width=0, height=0)))  # fmt: skip
    seen = [
        SeenImage("1.jpg", "not there"),
        SeenImage("2.jpg", size=(320, 240)),
        SeenImage("3.jpg", size=(480, 640), turned=True),
        SeenImage("4.jpg", size=(640, 480)),
        SeenImage("5.jpg", size=(1, 1)),
    ]
    assert image_warnings("val", labels, seen) == [
        "val: 1 of 5 images cannot be read: 1.jpg (not there)",
        "val: 1 images have another size than the labels tell: 2.jpg (told 640 x 480, is 320 x "
        "240)",
        "val: 1 images are labelled as EXIF turns them, not as stored: 3.jpg",
    ]


def test_images_in_both_splits_are_told_by_bytes_and_by_look() -> None:
    look = np.array([0.6, 0.8], np.float32)
    train = [SeenImage("a.jpg", digest="1", look=look), SeenImage("b.jpg", digest="2")]
    val = [SeenImage("c.jpg", digest="2"), SeenImage("d.jpg", digest="3", look=look)]
    bytes_, like = shared_images(train, val)
    assert bytes_.startswith("1 of 2 val images are trained on as well") and "c.jpg and b" in bytes_
    assert like.startswith("1 of 2 val images look like one") and "d.jpg and a.jpg" in like
    assert shared_images(train, val[:0]) == []


def test_people_whom_the_file_counts_0_are_not_evaluated() -> None:
    labels = people(5, other=replace(person(), num_keypoints=0), others=2)
    assert told(labels) == [
        "val: 2 of 5 people are not evaluated: num_keypoints says 0; write how many are labelled, "
        "or leave `num_keypoints` out, where they are to count"
    ]
    assert counts_of(labels).evaluated == 3
