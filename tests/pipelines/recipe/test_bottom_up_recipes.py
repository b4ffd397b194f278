"""The papers' bottom-up recipes: weights, losses of every stage, views, rates, published rows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from data.ground.sample import WholeBatch
from data.ground.yaml_text import read_yaml
from data.menus import CODECS, DATASETS
from data.views.settings import PersonCropAugmentation, WholeImageAugmentation
from models.weights import LEAST_SHARE, compare
from pipelines.recipe.build import build_architecture, build_codec, build_losses
from pipelines.recipe.reader import load_recipe, recipe_names, recipe_path
from pipelines.recipe.schema import Recipe
from pipelines.training.optimizer import parameter_groups
from tests.worlds.here import MANIFESTS

STARTS = {"hrnet_w32": "hrnet_w32_coco17", "hrnet_w48": "hrnet_w48_coco17"}
SMALL = (64, 64)


@cache
def bottom_up(codec: str = "") -> list[str]:
    """The recipes of papers whose codec reads whole images (of that codec)."""
    contents = {n: read_yaml(recipe_path(n)) for n in recipe_names() if "cite" in _text(n)}
    whole = {n: c["codec"]["name"] for n, c in contents.items()}
    return [n for n, name in whole.items() if CODECS[name].whole_image and codec in name]  # type: ignore[attr-defined]


def _text(name: str) -> str:
    return recipe_path(name).read_text()


@cache
def recipe_of(name: str) -> Recipe:
    return load_recipe(name)


def small(name: str) -> tuple[Recipe, torch.nn.Module]:
    recipe = recipe_of(name)
    recipe = replace(recipe, architecture=replace(recipe.architecture, variant="demo", options={}))
    torch.manual_seed(0)
    return recipe, build_architecture(recipe)


@pytest.mark.parametrize("name", bottom_up())
def test_the_weights_that_it_starts_from_fill_its_trunk(name: str) -> None:
    recipe = recipe_of(name)
    start = Path(recipe.pretrained.source).stem.split("-")[0] if recipe.pretrained else ""
    if start not in STARTS:
        pytest.skip("from scratch, or from a file whose layout another test knows")
    shapes = json.loads((MANIFESTS / f"{STARTS[start]}.json").read_text())
    with torch.device("meta"):
        network = build_architecture(recipe)
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert compare(network, state).due >= LEAST_SHARE


@pytest.mark.contract
@pytest.mark.parametrize("name", bottom_up())
def test_every_stage_is_supervised_and_every_parameter_learns(name: str) -> None:
    recipe, network = small(name)
    keypoints = len(DATASETS[recipe.dataset].SKELETON.keypoints)
    points = torch.rand(2, 3, keypoints, 2) * 60 + 2
    images = torch.randint(0, 256, (2, *SMALL, 3), dtype=torch.uint8)
    seen, keep = torch.full((2, 3, keypoints), 2), torch.ones(2, 32, 32, dtype=torch.uint8)
    batch = WholeBatch(images, points, seen, keep, torch.arange(2), torch.zeros(2, 2, 3))
    targets = build_codec(recipe).encode(batch, network.outputs, SMALL)
    stages = network(torch.randn(2, 3, *SMALL))
    total = torch.zeros(())
    for field, kinds in build_losses(recipe, network.outputs).items():
        painting = [n for n, stage in enumerate(stages) if field in stage]
        assert len(painting) == len(kinds) and all(weight > 0 for _, weight in kinds)
        for n, (loss, weight) in zip(painting, kinds, strict=True):
            total = total + weight * loss(stages[n][field], *targets[n][field])
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", bottom_up("embedding"))
def test_tags_are_trained_as_in_higher_hrnet(name: str) -> None:
    recipe = recipe_of(name)
    views = recipe.augmentation
    assert isinstance(views, WholeImageAugmentation) and views.reference == "short"
    assert (views.rotation, views.shift, views.flip_probability) == (30.0, 40.0, 0.5)
    assert recipe.evaluation.flip_test and recipe.losses["tags"].weight == 1e-3
    assert recipe.pixels == "imagenet_rgb"


@pytest.mark.parametrize("name", bottom_up("affinity"))
def test_limbs_are_trained_around_people_and_tested_without_flip(name: str) -> None:
    recipe = recipe_of(name)
    views = recipe.augmentation
    assert isinstance(views, PersonCropAugmentation)
    assert (views.scale, views.rotation, views.shift) == ([0.5, 1.1], 40.0, 40.0)
    assert not recipe.evaluation.flip_test
    assert {loss.name for loss in recipe.losses.values()} == {"masked_sse"}


def test_later_stages_learn_four_times_as_fast_and_biases_twice() -> None:
    recipe = recipe_of("lightweight_openpose_coco_368")
    with torch.device("meta"):
        network = build_architecture(recipe)
    names = {id(p): name for name, p in network.named_parameters()}
    plan = {
        names[id(p)]: (group["factor"], group.get("weight_decay", recipe.optimizer.weight_decay))
        for group in parameter_groups(recipe.optimizer, network)
        for p in group["params"]
    }
    assert len(plan) == len(names)
    assert plan["model.0.0.weight"] == (1.0, 5e-4) and plan["model.1.0.weight"] == (1.0, 0.0)
    assert plan["model.0.1.weight"] == (1.0, 0.0) and plan["model.0.1.bias"] == (2.0, 0.0)
    assert plan["cpm.align.0.bias"] == (2.0, 0.0)
    assert plan["refinement_stages.0.pafs.1.0.weight"] == (4.0, 5e-4)
    assert plan["refinement_stages.0.pafs.1.0.bias"] == (8.0, 0.0)
    assert plan["refinement_stages.0.trunk.0.trunk.0.1.bias"] == (2.0, 0.0)


@pytest.mark.parametrize("name", bottom_up())
def test_published_rows_say_where_from_and_under_which_protocol(name: str) -> None:
    for row in recipe_of(name).published:
        assert row.source and row.note
        assert {key.partition("@")[2] for key in row.metrics} <= {"image", "test-dev"}
        assert all(0 < value < 1 for value in row.metrics.values())


def test_rows_of_test_dev_under_a_heading_of_val_are_in_doubt() -> None:
    rows = {name: recipe_of(name).published for name in bottom_up()}
    doubtful = {name for name, given in rows.items() if any(r.protocol_doubtful for r in given)}
    assert doubtful >= {"higher_hrnet_w32_coco_512", "hrnet_w32_bottom_up_coco_512",
                        "ae_hourglass_coco_512", "openpose_coco_368"}  # fmt: skip
    sure = next(r for r in rows["higher_hrnet_w32_coco_512"] if not r.protocol_doubtful)
    assert sure.metrics["AP@image"] == 0.671


PAIRS = {  # a network beside what it is held against -> what may differ
    ("ghost_openpose_coco_368", "lightweight_openpose_as_ghost_coco_368"): {"architecture"},
    ("ghost_openpose_coco_368", "ghost_openpose_no_se_coco_368"): {"architecture"},
    ("lite_higher_hrnet_coco_512", "lite_higher_hrnet_no_se_coco_512"): {"architecture"},
}


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_what_isolates_a_network_differs_in_nothing_else(pair: tuple[str, str]) -> None:
    one, other = (recipe_of(name).as_dict() for name in pair)
    differing = {key for key in one if one[key] != other[key]}
    assert differing - {"published", "cite"} == PAIRS[pair]


def test_ghost_openpose_and_its_baseline_match_limbs_as_the_paper_says() -> None:
    named = {name: recipe_of(name).codec.options.get("matching") for name in bottom_up("affinity")}
    ghosts = {name for name in named if "ghost" in name}
    assert {name for name, matching in named.items() if matching == "hungarian"} == ghosts
