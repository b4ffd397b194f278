"""The poses that a trained network reads: those of `predict`, without and with flip test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.intake.prepared import image_files
from pipelines.prediction.boxes import Boxes, truth_boxes
from pipelines.prediction.poses import ByImage
from pipelines.prediction.predictor import predict
from pipelines.prediction.reading import read_poses, trained_feed
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained, load_trained
from tests.worlds.drawn import draw, small_recipe
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = small_recipe()


@pytest.fixture(scope="module")
def trained(module_home: Path) -> Trained:
    """Random weights on drawn people."""
    draw(module_home, train=1, val=3)
    return load_trained(save_trained("some", RECIPE), "some", RECIPE)


@pytest.fixture
def people(trained: Trained) -> tuple[Boxes, dict[int, Path]]:
    place = split_place(RECIPE)
    files = image_files(place.prepared, place.raw, place.split)
    return truth_boxes(place.prepared, place.split), files


def by_hand(
    trained: Trained, boxes: Boxes, files: Mapping[int, Path], *, flip_test: bool
) -> ByImage:
    feed = trained_feed(trained, boxes, files)
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = predict(
        network,
        trained.codec,
        trained.skeleton,
        feed.batches(feed.groups(feed.most[trained.device.type])),
        trained.device,
        pixels=trained.recipe.pixels,
        flip_test=flip_test,
    )
    return feed.poses(found)


def as_arrays(poses: ByImage) -> dict[int, np.ndarray]:
    """By image [N, K * 2 + 2]: keypoints, score and row of the box."""
    return {
        image_id: np.array([[*p.keypoints_image.ravel(), p.score, p.id] for p in each])
        for image_id, each in poses.items()
    }


def assert_same(one: ByImage, other: ByImage) -> None:
    first, second = as_arrays(one), as_arrays(other)
    assert list(first) == list(second)
    for image_id, array in first.items():
        np.testing.assert_allclose(array, second[image_id], atol=1e-4)


def test_both_are_without_and_with_flip_test_as_predict_reads_them(
    trained: Trained, people: tuple[Boxes, dict[int, Path]]
) -> None:
    without, flipped = read_poses(trained, *people, both=True)
    assert_same(without, by_hand(trained, *people, flip_test=False))
    assert_same(flipped, by_hand(trained, *people, flip_test=True))
    one, other = as_arrays(without), as_arrays(flipped)
    assert any(not np.array_equal(one[n], other[n]) for n in one), "random weights see the flip"


def test_one_reading_is_that_with_flip_test_of_the_files_alone(
    trained: Trained, people: tuple[Boxes, dict[int, Path]]
) -> None:
    boxes, files = people
    some = dict(list(files.items())[1:3])
    (flipped,) = read_poses(trained, boxes, some, both=False)
    assert set(flipped) == set(some)
    assert_same(flipped, by_hand(trained, boxes, some, flip_test=True))


def test_a_network_of_crops_wants_boxes(trained: Trained) -> None:
    with pytest.raises(ValueError, match="no boxes"):
        read_poses(trained, None, {}, both=False)
