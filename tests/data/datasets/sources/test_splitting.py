"""Labels divided: nothing torn apart, the same every time, few moved by what is added."""

from __future__ import annotations

import pytest

from data.datasets.formats.labels import Labels, Note
from data.datasets.sources.splitting import Cut, divided, told_splits
from tests.worlds.labelled import image, labels


def files(some: Labels) -> list[str]:
    return [each.file for each in some.images]


def many(count: int) -> Labels:
    return labels(*(image(f"{n:03d}.jpg") for n in range(count)))


@pytest.mark.parametrize(("count", "val"), [(2, 0.2), (12, 0.2), (100, 0.25), (3, 0.9)])
def test_every_image_is_in_one_split_and_the_share_is_kept(count: int, val: float) -> None:
    made = divided(many(count), Cut(val), "x")
    assert sorted(files(made["train"]) + files(made["val"])) == files(many(count))
    wanted = min(max(val * count, 1), count - 1)
    assert abs(len(made["val"].images) - wanted) <= 0.5


def test_the_split_depends_on_seed_and_names_alone() -> None:
    once = files(divided(many(50), Cut(0.2), "x")["val"])
    turned = labels(*reversed(many(50).images))
    assert sorted(files(divided(turned, Cut(0.2), "x")["val"])) == sorted(once)
    assert files(divided(many(50), Cut(0.2, seed=2), "x")["val"]) != once


def test_images_that_come_later_move_few() -> None:
    before = set(files(divided(many(100), Cut(0.2), "x")["val"]))
    after = set(files(divided(many(110), Cut(0.2), "x")["val"]))
    assert len(before & after) >= 16


@pytest.mark.parametrize(
    ("by", "names", "units"),
    [
        ("folder", ["a/1.jpg", "a/2.jpg", "b/1.jpg"], [{"a/1.jpg", "a/2.jpg"}, {"b/1.jpg"}]),
        ("video", ["x_001.jpg", "x_002.jpg", "y_1.jpg"], [{"x_001.jpg", "x_002.jpg"}, {"y_1.jpg"}]),
    ],
)
def test_folders_and_videos_are_never_torn_apart(
    by: str, names: list[str], units: list[set[str]]
) -> None:
    made = divided(labels(*map(image, names)), Cut(0.4, by), "x")  # type: ignore[arg-type]
    assert {frozenset(files(each)) for each in made.values()} == set(map(frozenset, units))


def test_a_video_that_the_labels_name_counts_before_names() -> None:
    some = [image(f"{n}.jpg", group="one" if n % 2 else "other") for n in range(6)]
    made = divided(labels(*some), Cut(0.5, "video"), "x")
    assert {frozenset(each.group for each in part.images) for part in made.values()} == {
        frozenset({"one"}),
        frozenset({"other"}),
    }


def test_one_unit_cannot_be_divided() -> None:
    with pytest.raises(
        ValueError, match=r"mine: by folder there is 1 to divide.*--val-labels.*--val-share 0"
    ):
        divided(labels(image("a/1.jpg"), image("a/2.jpg")), Cut(0.2, "folder"), "mine")


def test_splits_that_the_labels_tell() -> None:
    some = labels(image("a.jpg", split="train"), image("b.jpg", split="val"), image("c.jpg"))
    made = told_splits(some, ("train", "val"), "x")
    assert (files(made["train"]), files(made["val"])) == (["a.jpg"], ["b.jpg"])
    with pytest.raises(ValueError, match="x: the labels tell no images of train and val"):
        told_splits(many(3), ("train", "val"), "x")


def test_notes_go_with_their_image() -> None:
    notes = tuple(Note("person", "1", name, "why") for name in ("000.jpg", "001.jpg", "gone.jpg"))
    made = divided(labels(image("000.jpg"), image("001.jpg"), notes=notes), Cut(0.5), "x")
    told = {split: {note.image for note in part.notes} for split, part in made.items()}
    first = next(split for split, part in made.items() if files(part) == ["000.jpg"])
    assert told[first] == {"000.jpg", "gone.jpg"}
    assert sorted(len(each) for each in told.values()) == [1, 2]
