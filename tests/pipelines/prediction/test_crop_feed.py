"""Crops of boxes: which rows a batch holds, what it carries, whose poses come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.files.table import Table
from data.menus import DATASETS
from data.views.geometry import move
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.intake.preparing import prepare
from pipelines.prediction.boxes import Boxes, truth_boxes
from pipelines.prediction.crop_feed import LABELLED, CropFeed
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.readout import Predictions
from pipelines.recipe.build import build_codec
from tests.worlds.drawn import draw, small_recipe

RECIPE = small_recipe()
CODEC = build_codec(RECIPE)


@pytest.fixture(scope="module")
def place(module_home: Path) -> SplitPlace:
    return SplitPlace(*draw(module_home, train=1, val=18), "val")


def files_of(place: SplitPlace) -> dict[int, Path]:
    return image_files(place.prepared, place.raw, place.split)


def feed_of(place: SplitPlace, boxes: Boxes | None, files: dict[int, Path]) -> CropFeed:
    return CropFeed(RECIPE, CODEC, files, boxes, {})


@pytest.fixture
def feed(place: SplitPlace) -> CropFeed:
    """Of everybody's true box."""
    return feed_of(place, truth_boxes(place.prepared, place.split), files_of(place))


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_groups_hold_every_row_once_in_order_and_at_most_so_many(feed: CropFeed, most: int) -> None:
    groups = feed.groups(most)
    assert [row for group in groups for row in group] == list(range(len(feed.ids)))
    assert all(0 < len(group) <= most for group in groups)


def test_batches_come_in_the_order_of_the_groups(feed: CropFeed) -> None:
    groups = [[4, 1], [0], [3, 2, 5]]
    batches = list(feed.batches(groups))
    assert [batch.sample_id.tolist() for batch in batches] == groups
    assert batches[2].images.shape == (3, 64, 64, 3) and batches[2].keypoints_input.shape[1] == 0
    (alone,) = feed.batches([[2]])
    torch.testing.assert_close(batches[2].images[1], alone.images[0], rtol=0, atol=0)


def test_a_crop_is_centred_on_its_own_box(feed: CropFeed) -> None:
    (batch,) = feed.batches([[5, 0]])
    for row, matrix in zip((5, 0), batch.to_image.numpy(), strict=True):
        x, y, w, h = feed.boxes.box_image[row]
        middle = move(matrix, np.array([[32.0, 32.0]]))[0]
        np.testing.assert_allclose(middle, (x + w / 2, y + h / 2), atol=1e-3)


def test_labelled_is_the_split_in_order_with_its_people(place: SplitPlace, feed: CropFeed) -> None:
    persons = Table(place.prepared / place.split / "persons.arrow")
    batches = list(feed.labelled(place))
    assert len(batches) > 1 and len(batches[0].images) == LABELLED
    assert torch.cat([b.sample_id for b in batches]).tolist() == list(range(len(persons)))
    seen = torch.cat([batch.visibility for batch in batches]).numpy()
    np.testing.assert_array_equal(seen, persons["visibility"])
    found = np.concatenate(
        [
            move(matrix, points.astype(np.float64))
            for batch in batches
            for matrix, points in zip(
                batch.to_image.numpy(), batch.keypoints_input.numpy(), strict=True
            )
        ]
    )
    truth = persons["keypoints_image"].reshape(-1, 2)
    np.testing.assert_allclose(found, truth, atol=1e-3)


def test_labelled_people_are_shown_as_they_are_tested(place: SplitPlace, feed: CropFeed) -> None:
    labelled = next(iter(feed.labelled(place)))
    (tested,) = feed.batches([range(LABELLED)])
    np.testing.assert_array_equal(labelled.to_image, tested.to_image)
    np.testing.assert_array_equal(labelled.images, tested.images)


def test_boxes_of_other_images_are_left_out(place: SplitPlace) -> None:
    boxes, files = truth_boxes(place.prepared, place.split), files_of(place)
    wanted = dict(list(files.items())[3:5])
    feed = feed_of(place, boxes, wanted)
    kept = np.isin(boxes.image_id, list(wanted))
    assert 0 < len(feed.ids) < len(boxes) and set(feed.ids) == set(wanted)
    assert feed.ids == boxes.image_id[kept].tolist()
    assert feed.paths == [wanted[image_id] for image_id in feed.ids]
    np.testing.assert_array_equal(feed.boxes.box_image, boxes.box_image[kept])
    assert sum(map(len, feed.groups(2))) == len(feed.ids)


def test_no_box_at_all_is_a_feed_of_nothing_and_no_boxes_are_refused(place: SplitPlace) -> None:
    nobody = Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    feed = feed_of(place, nobody, files_of(place))
    assert feed.groups(8) == [] and list(feed.batches(feed.groups(8))) == []
    with pytest.raises(ValueError, match="codec heatmap: no boxes, accepted: people in boxes"):
        feed_of(place, None, files_of(place))


def test_poses_are_those_of_their_box_and_its_image(place: SplitPlace, feed: CropFeed) -> None:
    rows = np.array([3, 0, 2])
    keypoints = np.arange(3 * 17 * 2, dtype=float).reshape(3, 17, 2) * 10
    scores = np.full((3, 17), 0.5, np.float32)
    found = feed.poses(Predictions(rows, keypoints, scores, np.full(3, np.nan, np.float32)))
    poses = {pose.id: (image, pose) for image, each in found.items() for pose in each}
    assert set(poses) == {0, 2, 3}
    for row, points in zip(rows.tolist(), keypoints, strict=True):
        image, pose = poses[row]
        assert image == feed.ids[row]
        assert pose.box_image == tuple(feed.boxes.box_image[row])
        assert pose.score == pytest.approx(0.5)
        np.testing.assert_array_equal(pose.keypoints_image, points)


def test_whom_a_training_sees_goes_by_the_ids_of_persons(place: SplitPlace) -> None:
    plain = CropFeed.samples(RECIPE, CODEC, place, augmented=False)
    changed = CropFeed.samples(RECIPE, CODEC, place, augmented=True)
    persons = Table(place.prepared / place.split / "persons.arrow")
    assert plain.ids.tolist() == changed.ids.tolist() == persons["person_id"].tolist()
    assert not torch.equal(plain.first(4).images, changed.first(4).images)


def test_boxes_of_drawn_people_are_the_truths_alone(place: SplitPlace) -> None:
    known = set(files_of(place))
    boxes = CropFeed.box_sets(DATASETS["stick_figures"], CODEC, place, known)
    assert set(boxes) == {"gt"}
    aligned = replace(CODEC, unbiased=True)
    wider = CropFeed.box_sets(DATASETS["stick_figures"], aligned, place, known)["gt"]
    assert wider is not None and boxes["gt"] is not None
    np.testing.assert_allclose(wider.box_image - boxes["gt"].box_image, [[0, 0, 1, 1]] * len(wider))


def test_real_people_come_from_the_truth_and_from_a_detector(real_coco: Path) -> None:
    prepare("coco", 0.0)
    place = SplitPlace(places.prepared("coco"), real_coco, "val")
    known = set(files_of(place))
    boxes = CropFeed.box_sets(DATASETS["coco"], CODEC, place, known)
    assert list(boxes) == ["gt", "det"]
    truth, detected = boxes["gt"], boxes["det"]
    assert truth is not None and detected is not None
    assert (truth.score == 1).all() and truth.person_id is not None
    assert len(detected) == 250 and (detected.score < 1).any() and detected.person_id is None
    assert set(detected.image_id.tolist()) | set(truth.image_id.tolist()) <= known
    trained = CropFeed.box_sets(DATASETS["coco"], CODEC, replace(place, split="train"), ())
    assert list(trained) == ["gt"], "a detector's file is of one split"
