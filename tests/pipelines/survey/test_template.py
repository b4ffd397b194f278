"""Recipes from the template: they load, fit the split, the boxes and what training starts from."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from data.ground.skeleton import Skeleton, load_skeleton
from data.ground.yaml_text import read_yaml
from pipelines.recipe.reader import load_recipe, read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.survey.counts import Counts, counts_of
from pipelines.survey.flow import flow
from pipelines.survey.template import Start, batch_that_fills, input_size, recipe_name, recipe_text
from tests.worlds.standing import NAMES, labels_of, person

COCO = load_skeleton("coco")
DIGEST = "0" * 63 + "1"


def counts(people: int, ratio: float = 0.5) -> Counts:
    return replace(counts_of(labels_of([[person()]])), people=people, ratio=ratio, unlabelled=0)


def made(folder: Path, people: int, skeleton: Skeleton = COCO, start: Start | None = None,
         ratio: float = 0.5) -> Recipe:  # fmt: skip
    path = folder / "made.yaml"
    path.write_text(recipe_text("coco", skeleton, counts(people, ratio), "oks", start))
    return read_recipe(read_yaml(path), str(path))


@pytest.mark.parametrize(
    ("people", "batch"), [(1, 1), (3, 3), (8, 8), (10, 8), (63, 8), (64, 16), (10_000, 32)]
)
def test_a_batch_is_never_more_than_there_are_people(
    people: int, batch: int, tmp_path: Path
) -> None:
    assert batch_that_fills(people) == batch
    assert made(tmp_path, people).training.global_batch == batch


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        (0.45, [96, 128]),
        (0.9, [128, 128]),
        (1.1, [128, 128]),
        (2.0, [128, 96]),
        (math.nan, [96, 128]),
    ],
)
def test_the_input_has_the_shape_of_the_boxes(
    ratio: float, size: list[int], tmp_path: Path
) -> None:
    assert input_size(ratio)[0] == size
    assert made(tmp_path, 10, ratio=ratio).input_size == size


@pytest.mark.parametrize(("people", "steps"), [(9, 20), (100, 20), (5_000, None)])
def test_small_data_are_trained_for_as_many_steps_as_they_need(
    people: int, steps: int | None, tmp_path: Path
) -> None:
    training = made(tmp_path, people).training
    assert training.steps_per_epoch == steps, "none: as many as fill the epoch"
    done = training.epochs * (steps or people // training.global_batch)
    assert done >= 900 and training.epochs >= 20
    assert training.epochs == 20 or done < 1000, "no longer than it takes"
    assert training.epochs // training.validate_every >= 4


def test_flips_are_drawn_and_tested_where_there_are_pairs_alone(tmp_path: Path) -> None:
    paired = made(tmp_path, 10)
    assert paired.augmentation.flip_probability == 0.5 and paired.evaluation.flip_test
    single = made(tmp_path, 10, replace(COCO, mirrored=()))
    assert single.augmentation.flip_probability == 0.0 and not single.evaluation.flip_test


def test_fine_tuning_takes_network_and_size_of_where_the_weights_are_from(tmp_path: Path) -> None:
    other = load_recipe("pose_renet_simple_baseline_r50_coco_128x96")
    start = Start("models:/pose-coco@champion", DIGEST, other, "a champion")
    recipe = made(tmp_path, 100, start=start)
    for part in ("architecture", "refine", "codec", "losses", "pixels", "input_size"):
        assert getattr(recipe, part) == getattr(other, part), part
    assert recipe.pretrained is not None
    assert (recipe.pretrained.source, recipe.pretrained.sha256) == (start.source, DIGEST)
    assert recipe.augmentation.half_body_probability == 0.3  # type: ignore[union-attr]
    few = Skeleton("nine", NAMES[:8], (), (), (0.05,) * 8, NAMES[:4])
    assert made(tmp_path, 100, few, start).augmentation.half_body_probability == 0.0  # type: ignore[union-attr]
    assert recipe_name("mine", start) == "mine_simple_baseline"
    assert recipe_name("mine", None) == "mine_small_hrnet"


@pytest.mark.parametrize(
    "name",
    [
        "hrnet_w32_coco_256x192", "cpn_r50_ohkm_coco_384x288", "hsrnet_59_coco_256x192",
        "hourglass_8_coco_256x256",
    ],
)  # fmt: skip
def test_any_top_down_recipe_is_a_start(name: str, tmp_path: Path) -> None:
    other = load_recipe(name)
    recipe = made(tmp_path, 100, start=Start("w.pt", DIGEST, other, "weights"))
    assert recipe.architecture == other.architecture and recipe.losses == other.losses


@pytest.mark.parametrize(
    "value",
    [1e-05, 2.5e16, 0.001, 3, -1.5, True, None, "yes", "no", "a_b", "a b: c", "1.5", "Ä", "",
     ["a", 1e-7], {"0": {"x": [1, 2]}, "true": None}],
)  # fmt: skip
def test_plain_data_are_read_back_from_one_line(value: object, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"key: {flow(value)}\n", encoding="utf-8")
    assert read_yaml(path) == {"key": value}
