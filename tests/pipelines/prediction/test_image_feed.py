"""Whole images: which rows a batch holds, at which scales, whose people come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.feeds.image_people import ImagePeople
from data.files.table import Table
from data.ground.sample import WholeBatch
from data.menus import DATASETS
from data.views.geometry import move
from data.views.settings import PersonCropAugmentation
from pipelines.host import places
from pipelines.intake.prepared import image_files, image_sizes
from pipelines.intake.preparing import prepare
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.image_feed import ImageFeed
from pipelines.prediction.readout import Predictions
from pipelines.recipe.build import build_codec
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.drawn import draw

SIDE = 64


def small(*scales: float) -> Recipe:
    recipe = replace(load_recipe("demo_higher_hrnet"), input_size=[SIDE, SIDE])
    return replace(recipe, evaluation=replace(recipe.evaluation, scales=list(scales)))


RECIPE = small(1.0)
CODEC = build_codec(RECIPE)


@pytest.fixture(scope="module")
def place(module_home: Path) -> SplitPlace:
    return SplitPlace(*draw(module_home, train=1, val=8), "val")


def feed_of(place: SplitPlace, recipe: Recipe = RECIPE) -> ImageFeed:
    sizes = image_sizes(place.prepared, place.split)
    files = image_files(place.prepared, place.raw, place.split)
    return ImageFeed(recipe, CODEC, files, None, sizes)


@pytest.mark.parametrize("most", [1, 3, 100])
def test_groups_hold_every_row_once_one_size_and_at_most_so_many(
    place: SplitPlace, most: int
) -> None:
    real = list(image_sizes(place.prepared, place.split))
    sizes = {image_id: ((40, 30), (30, 40))[n % 2] for n, image_id in enumerate(real)}
    files = image_files(place.prepared, place.raw, place.split)
    groups = ImageFeed(RECIPE, CODEC, files, None, sizes).groups(most)
    assert sorted(row for group in groups for row in group) == list(range(len(files)))
    assert all(0 < len(group) <= most for group in groups)
    assert all(len({sizes[real[row]] for row in group}) == 1 for group in groups)
    assert len(groups) == {1: 8, 3: 4, 100: 2}[most]


def test_images_of_unknown_size_are_fed_alone(place: SplitPlace) -> None:
    files = image_files(place.prepared, place.raw, place.split)
    groups = ImageFeed(RECIPE, CODEC, files, None, {}).groups(4)
    assert sorted(groups) == [[row] for row in range(len(files))]


def test_batches_come_in_the_order_of_the_groups(place: SplitPlace) -> None:
    feed = feed_of(place)
    groups = [[5], [0], [3]]
    batches = list(feed.batches(groups))
    assert [batch.sample_id.tolist() for batch in batches] == groups
    assert not any(batch.visibility.any() or batch.others for batch in batches), "nobody is told"
    sizes = image_sizes(place.prepared, place.split)
    for (row,), batch in zip(groups, batches, strict=True):
        width, height = CODEC.resize.input_size(sizes[feed.ids[row]], SIDE)
        assert batch.images.shape == (1, height, width, 3)


def test_scales_show_the_same_image_in_other_sizes(place: SplitPlace) -> None:
    (once,) = feed_of(place).batches([[2]])
    (batch,) = feed_of(place, small(4.0, 1.0, 2.0)).batches([[2]])
    torch.testing.assert_close(batch.images, once.images, rtol=0, atol=0)
    height, width = batch.images.shape[1:3]
    assert [tuple(other.shape) for other in batch.others] == [
        (1, times * height, times * width, 3) for times in (4, 2)
    ]
    smaller = torch.nn.functional.avg_pool2d(batch.others[1].permute(0, 3, 1, 2).float(), 2)
    apart = (smaller - batch.images.permute(0, 3, 1, 2)).abs().mean()
    assert apart < 0.5 * (smaller - smaller.flip(3)).abs().mean()


def test_labelled_is_the_split_in_order_with_its_people(place: SplitPlace) -> None:
    feed = feed_of(place, small(1.0, 2.0))
    people = ImagePeople(place.prepared, place.raw, place.split)
    batches = list(feed.labelled(place))
    assert [batch.sample_id.tolist() for batch in batches] == [[n] for n in range(8)]
    for row, batch in enumerate(batches):
        keypoints, seen = people.poses(row)
        assert isinstance(batch, WholeBatch)
        assert batch.others == (), "the truth writes at one scale"
        np.testing.assert_array_equal(batch.visibility[0], seen)
        found = move(batch.to_image[0].numpy(), batch.keypoints_input[0].double().numpy())
        np.testing.assert_allclose(found, keypoints, atol=1e-3)


def test_labelled_images_are_shown_as_they_are_tested(place: SplitPlace) -> None:
    feed = feed_of(place)
    labelled = list(feed.labelled(place))
    tested = list(feed.batches([[row] for row in range(8)]))
    for one, other in zip(labelled, tested, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.to_image, other.to_image)


def test_boxes_are_none_of_its_business(place: SplitPlace) -> None:
    files = image_files(place.prepared, place.raw, place.split)
    boxes = truth_boxes(place.prepared, place.split).of_images(list(files)[:1])
    feed = ImageFeed(RECIPE, CODEC, files, boxes, {})
    assert feed.boxes is None and feed.ids == list(files) and feed.paths == list(files.values())
    assert ImageFeed.box_sets(DATASETS["coco"], CODEC, place, set(files)) == {"image": None}


def test_poses_are_those_of_every_image_best_first(place: SplitPlace) -> None:
    feed = feed_of(place)
    keypoints = np.arange(3 * 17 * 2, dtype=float).reshape(3, 17, 2)
    scores = np.full((3, 17), 0.5, np.float32)
    rows, sure = np.array([6, 1, 6]), np.array([0.2, 0.4, 0.8], np.float32)
    found = feed.poses(Predictions(rows, keypoints, scores, sure))
    assert list(found) == feed.ids, "images without people too"
    assert [pose.score for pose in found[feed.ids[6]]] == pytest.approx([0.8, 0.2])
    (alone,) = found[feed.ids[1]]
    np.testing.assert_array_equal(alone.keypoints_image, keypoints[1])
    assert sum(map(len, found.values())) == 3


def test_what_a_training_sees_goes_by_image_or_around_persons(place: SplitPlace) -> None:
    images = Table(place.prepared / place.split / "images.arrow")["image_id"].tolist()
    persons = Table(place.prepared / place.split / "persons.arrow")["person_id"].tolist()
    whole = ImageFeed.samples(RECIPE, CODEC, place, augmented=True)
    assert set(whole.ids.tolist()) <= set(images) and len(whole.first(2).images) == 2
    around = replace(RECIPE, augmentation=PersonCropAugmentation("person_crop"))
    views = ImageFeed.samples(around, CODEC, place, augmented=True)
    assert set(views.ids.tolist()) <= set(persons) and len(views) > 0
    plain = ImageFeed.samples(around, CODEC, place, augmented=False)
    assert set(plain.ids.tolist()) <= set(images), "tested on whole images"


def test_real_images_come_without_boxes(real_coco: Path) -> None:
    prepare("coco", 0.0)
    place = SplitPlace(places.prepared("coco"), real_coco, "val")
    feed = feed_of(place)
    assert ImageFeed.box_sets(DATASETS["coco"], CODEC, place, set(feed.ids)) == {"image": None}
    sizes = image_sizes(place.prepared, place.split)
    groups = feed.groups(4)
    assert sorted(row for group in groups for row in group) == list(range(len(feed.ids)))
    assert all(len({sizes[feed.ids[row]] for row in group}) == 1 for group in groups)
    assert any(len(group) > 1 for group in groups)
    group = max(groups, key=len)
    (batch,) = feed.batches([group])
    assert batch.sample_id.tolist() == group
