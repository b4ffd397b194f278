"""Images at hand are read as evaluation reads the same files from the same boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.files.images import read_image
from data.ground.plug import Plug
from data.ground.sample import Pose
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.intake.preparing import prepare
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.reader import People, PoseReader
from pipelines.prediction.reading import read_poses
from pipelines.prediction.trained import Trained, load_trained
from pipelines.prediction.trained_reader import trained_reader
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.drawn import draw, small_recipe
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("one_thread")

CODECS: dict[str, dict[str, Any]] = {
    "quarter": {"sigma": 1.0},
    "dark": {"sigma": 1.0, "decoding": "dark", "unbiased": True},
}


def bottom_up(name: str, *scales: float, **options: Any) -> Recipe:
    recipe = replace(load_recipe(name), input_size=[64, 64])
    codec = Plug(recipe.codec.name, recipe.codec.options | options)
    return replace(recipe, codec=codec, evaluation=replace(recipe.evaluation, scales=list(scales)))


RECIPES = {
    **{name: replace(small_recipe(), codec=Plug("heatmap", o)) for name, o in CODECS.items()},
    "tags": bottom_up("demo_higher_hrnet", 0.5, 1.0, max_people=5),
    "limbs": bottom_up("demo_openpose", 1.0, min_score=-9.0, min_share=0.0),
}


@pytest.fixture(scope="module")
def drawn(module_home: Path) -> Path:
    draw(module_home, train=1, val=3)
    return module_home


def random_weights(name: str) -> Trained:
    """Weights whose fields have peaks."""
    trained = load_trained(save_trained(name, RECIPES[name]), name, RECIPES[name])
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return trained


def read_both(
    trained: Trained, reader: PoseReader, flip_test: bool
) -> tuple[list[list[Pose]], list[list[Pose]]]:
    """(evaluation's poses of the split, the reader's of the same images and boxes)."""
    dataset, recipe = trained.recipe.dataset, trained.recipe
    prepared, split = places.prepared(dataset), recipe.evaluation.split
    files = image_files(prepared, places.raw(dataset), split)
    boxes = truth_boxes(prepared, split, trained.codec.aligned)
    expected = read_poses(trained, boxes if reader.needs_boxes else None, files, both=True)
    images = [read_image(path) for path in files.values()]
    rows = [boxes.image_id == image_id for image_id in files]
    people = [People(boxes.box_image[row], boxes.score[row]) for row in rows]
    found = reader.read(images, people if reader.needs_boxes else None)
    return [expected[flip_test].get(image_id, []) for image_id in files], found


def assert_same(expected: list[list[Pose]], found: list[list[Pose]]) -> None:
    assert [len(poses) for poses in found] == [len(poses) for poses in expected]
    pairs = [pair for each in zip(expected, found, strict=True) for pair in zip(*each, strict=True)]
    assert len(pairs) > 2
    for one, other in pairs:
        np.testing.assert_allclose(other.keypoints_image, one.keypoints_image, atol=1e-4)
        np.testing.assert_allclose(other.keypoint_scores, one.keypoint_scores, atol=1e-6)
        np.testing.assert_allclose(other.box_image, one.box_image, atol=1e-4)
        assert other.score == pytest.approx(one.score, abs=1e-6)
        assert other.area == pytest.approx(one.area)
        np.testing.assert_array_equal(other.visibility, one.visibility)


@pytest.mark.parametrize(
    ("name", "flip_test"),
    [
        ("quarter", False),
        ("quarter", True),
        ("dark", True),
        ("limbs", False),
        ("tags", True),
        pytest.param("tags", False, marks=pytest.mark.full),
    ],
)
def test_images_are_read_as_evaluation_reads_files(drawn: Path, name: str, flip_test: bool) -> None:
    trained = random_weights(name)
    reader = trained_reader(trained, name, "d", flip_test)
    assert_same(*read_both(trained, reader, flip_test))


@pytest.mark.parametrize("flip_test", [False, True])
def test_the_flip_test_is_the_recipes_where_nothing_is_said(drawn: Path, flip_test: bool) -> None:
    trained = random_weights("dark")
    evaluation = replace(trained.recipe.evaluation, flip_test=flip_test)
    trained = replace(trained, recipe=replace(trained.recipe, evaluation=evaluation))
    assert_same(*read_both(trained, trained_reader(trained, "dark", "d"), flip_test))


def test_nobody_is_found_where_nobody_is_boxed_and_a_whole_image_without_boxes(
    drawn: Path,
) -> None:
    reader = trained_reader(random_weights("quarter"), "quarter", "d")
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    nobody = People(np.zeros((0, 4)), np.zeros(0))
    one = People(np.array([[0.0, 0.0, 40.0, 50.0]]), np.array([0.5]))
    none, half = reader.read([image, image], [nobody, one])
    ((whole,),) = reader.read([image], None)
    assert none == [] and reader.read([], []) == []
    assert half[0].box_image == whole.box_image == (0.0, 0.0, 40.0, 50.0)
    assert half[0].score == pytest.approx(whole.score / 2)


def test_boxes_of_many_images_share_a_batch(drawn: Path) -> None:
    reader = trained_reader(random_weights("quarter"), "quarter", "d")
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    sizes: list[int] = []
    network = reader.network  # type: ignore[attr-defined]
    reader.network = lambda crops: (sizes.append(len(crops)), network(crops))[1]  # type: ignore
    reader.read([image] * 40, None)
    assert sizes == [32, 8]


@pytest.mark.parametrize("name", ["quarter", pytest.param("tags", marks=pytest.mark.full)])
def test_real_photos_are_read_as_evaluation_reads_them(real_coco: Path, name: str) -> None:
    prepare("coco", 0.0)
    RECIPES["real"] = replace(RECIPES[name], dataset="coco")
    trained = random_weights("real")
    assert_same(*read_both(trained, trained_reader(trained, "real", "d", False), flip_test=False))
