"""Every recipe's network, whole: a training step on its data and poses read back from it.

Whole images are fed at half their size or a little more, to keep it short.

Data: the real samples of $LIMBER_REAL_DATA, else drawn people (recipes of COCO's skeleton).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from data.menus import DATASETS
from pipelines import fetch
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.predictor import predict
from pipelines.recipe.build import build_codec
from pipelines.recipe.reader import load_recipe, recipe_names
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job
from pipelines.training.parts import Parts, build_parts
from pipelines.training.rank import Rank
from pipelines.training.step import train_step
from tests.worlds.drawn import draw_at_home
from tests.worlds.here import REAL_DATA

FOLDERS = {"coco": "coco_mini", "mpii": "mpii_mini"}


@pytest.fixture(scope="module")
def home(module_home: Path) -> Path:
    """Where the data sets are prepared: drawn people, and the real ones where there are any."""
    draw_at_home(train=4, val=4)
    if REAL_DATA is not None:
        for name, folder in FOLDERS.items():
            fetch.fetch(name, {"source": str(REAL_DATA / folder)})
            prepare(name, 0.0)
        fetch.fetch("coco_mpii", {})
        prepare("coco_mpii", 0.0, {"coco": 1.0, "mpii": 1.0})
    return module_home


def on_data_at_hand(name: str) -> Recipe:
    recipe = load_recipe(name)
    if recipe.dataset not in DATASETS:
        pytest.skip(f"{recipe.dataset} is this checkout's own")
    codec = build_codec(recipe)
    if codec.whole_image and "coco" in name:
        multiple = codec.resize.multiple
        half = [-(-side // (2 * multiple)) * multiple for side in recipe.input_size]
        recipe = dataclasses.replace(recipe, input_size=half)
    if REAL_DATA and recipe.dataset in (*FOLDERS, "coco_mpii"):
        return recipe
    if DATASETS[recipe.dataset].SKELETON != DATASETS["stick_figures"].SKELETON:
        pytest.skip(f"no people of {recipe.dataset} here")
    return dataclasses.replace(recipe, dataset="stick_figures")


@pytest.mark.full
@pytest.mark.parametrize("name", recipe_names())
def test_one_step_and_poses(name: str, home: Path, one_thread: None) -> None:
    recipe = on_data_at_hand(name)
    training = dataclasses.replace(recipe.training, precision="fp32", compile=False)
    recipe = dataclasses.replace(recipe, training=training)
    prepared, raw = places.prepared(recipe.dataset), places.raw(recipe.dataset)
    job = Job(name, recipe, "f" * 64, "d" * 64, prepared, raw, home / "run")
    parts = build_parts(job, Rank())
    place = SplitPlace(prepared, raw, "train")
    samples = feed_kind(parts.codec).samples(recipe, parts.codec, place, augmented=True)
    batch = samples.collate([samples.dataset[1, 0]])
    before = [p.detach().clone() for p in parts.network.parameters()]
    sums, bad, _ = train_step(job, Rank(), parts, [batch])
    assert not bad and torch.isfinite(sums).all() and float(sums[:-1].sum()) > 0
    moved = sum(
        not torch.equal(a, b) for a, b in zip(before, parts.network.parameters(), strict=True)
    )
    assert moved > 0.9 * len(before), "nearly every parameter learns"
    assert_poses(recipe, parts)


def assert_poses(recipe: Recipe, parts: Parts) -> None:
    prepared, raw = places.prepared(recipe.dataset), places.raw(recipe.dataset)
    codec, skeleton = build_codec(recipe), DATASETS[recipe.dataset].SKELETON
    place = SplitPlace(prepared, raw, "val")
    plain = feed_kind(codec).samples(recipe, codec, place, augmented=False).first(1)
    found = predict(
        parts.best, codec, skeleton, [plain], "cpu", pixels=recipe.pixels, flip_test=False
    )
    assert found.keypoints_image.shape[1:] == (len(skeleton.keypoints), 2)
    assert np.isfinite(found.keypoints_image).all() and np.isfinite(found.scores).all()
    assert codec.whole_image or len(found.sample_id) == 1
