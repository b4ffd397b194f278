"""A prepared split as a feed: all of it, or the files that are handed in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.host import places
from pipelines.intake.prepared import image_files, image_sizes
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.crop_feed import CropFeed
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.image_feed import ImageFeed
from pipelines.prediction.split import split_feed, split_place
from pipelines.recipe.build import build_codec
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw, small_recipe

CROPS = small_recipe()
WHOLE = load_recipe("demo_higher_hrnet")


@pytest.fixture(scope="module")
def place(module_home: Path) -> SplitPlace:
    draw(module_home, train=2, val=6)
    return split_place(CROPS)


def test_the_split_is_the_one_that_the_recipe_is_evaluated_on(place: SplitPlace) -> None:
    assert place == SplitPlace(places.prepared("stick_figures"), places.raw("stick_figures"), "val")
    other = replace(CROPS, evaluation=replace(CROPS.evaluation, split="train"))
    assert split_place(other).split == "train"


def test_the_codec_decides_how_all_of_the_split_is_fed(place: SplitPlace) -> None:
    files = image_files(place.prepared, place.raw, place.split)
    boxes = truth_boxes(place.prepared, place.split)
    crops = split_feed(CROPS, build_codec(CROPS), place, boxes)
    whole = split_feed(WHOLE, build_codec(WHOLE), place, None)
    assert isinstance(crops, CropFeed) and list(crops.ids) == boxes.image_id.tolist()
    assert isinstance(whole, ImageFeed)
    assert dict(zip(whole.ids, whole.paths, strict=True)) == files


def test_files_that_are_handed_in_are_fed_alone(place: SplitPlace) -> None:
    files = image_files(place.prepared, place.raw, place.split)
    some = dict(list(files.items())[2:4])
    boxes = truth_boxes(place.prepared, place.split)
    crops = split_feed(CROPS, build_codec(CROPS), place, boxes, some)
    whole = split_feed(WHOLE, build_codec(WHOLE), place, None, some)
    assert set(crops.ids) == set(some) and len(crops.ids) < len(boxes)
    assert list(whole.ids) == list(some) and list(whole.paths) == list(some.values())
    nothing = split_feed(WHOLE, build_codec(WHOLE), place, None, {})
    assert list(nothing.ids) == [] and nothing.groups(4) == []


def test_files_from_elsewhere_are_fed_beside_those_of_the_split(place: SplitPlace) -> None:
    sizes = image_sizes(place.prepared, place.split)
    own = {image_id: Path("own.jpg") for image_id in sizes}
    whole = split_feed(WHOLE, build_codec(WHOLE), place, None, {-5: Path("photo.jpg"), **own})
    assert [0] in whole.groups(16), "its size is not known, so it is alone"
    sized = sorted({sizes[i] for i in own})
    together = [[1 + list(own).index(i) for i in own if sizes[i] == size] for size in sized]
    assert [group for group in whole.groups(16) if group != [0]] == together
