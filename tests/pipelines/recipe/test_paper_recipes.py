"""The papers' recipes: their weights fit, their losses see every stage, their rows say enough."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from data.ground.sample import Batch
from data.ground.yaml_text import read_yaml
from models.weights import LEAST_SHARE, compare
from pipelines.digests.deciding import trains
from pipelines.digests.sources import Sources
from pipelines.recipe.build import build_architecture, build_codec, build_losses, unrefined
from pipelines.recipe.reader import load_recipe, recipe_names, recipe_path
from pipelines.recipe.schema import Recipe
from tests.worlds.here import MANIFESTS

STARTS = {  # what a file of weights is called -> a manifest that holds its trunk
    "resnet50": "simplebaseline_r50_coco17",
    "resnet101": "simplebaseline_r101_coco17",
    "resnet152": "simplebaseline_r152_coco17",
    "hrnet_w32": "hrnet_w32_coco17",
    "hrnet_w48": "hrnet_w48_coco17",
}
SMALL = (64, 64)
COCO = [name for name in recipe_names() if "_coco_" in name]


@cache
def recipe_of(name: str) -> Recipe:
    return load_recipe(name)


def manifest(start: str) -> dict[str, torch.Tensor]:
    shapes = json.loads((MANIFESTS / f"{STARTS[start]}.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@cache
def top_down() -> list[str]:
    codecs = {name: read_yaml(recipe_path(name))["codec"]["name"] for name in COCO}
    return [name for name, codec in codecs.items() if codec == "heatmap"]


@pytest.mark.parametrize("name", top_down())
def test_the_weights_that_it_starts_from_fill_its_trunk(name: str) -> None:
    recipe = recipe_of(name)
    if recipe.pretrained is None:
        pytest.skip("from scratch")
    start = Path(recipe.pretrained.source).stem.split("-")[0]
    with torch.device("meta"):
        network = unrefined(build_architecture(recipe))
    assert compare(network, manifest(start)).due >= LEAST_SHARE


@pytest.mark.contract
@pytest.mark.parametrize("name", top_down())
def test_every_stage_is_supervised_and_every_parameter_learns(name: str) -> None:
    recipe = recipe_of(name)
    small = replace(recipe.architecture, variant="demo", options={})
    recipe = replace(recipe, architecture=small)
    torch.manual_seed(0)
    network = build_architecture(recipe)
    points = torch.rand(2, 17, 2) * 60 + 2
    images = torch.zeros(2, *SMALL, 3, dtype=torch.uint8)
    batch = Batch(images, points, torch.full((2, 17), 2), torch.arange(2), torch.zeros(2, 2, 3))
    targets = build_codec(recipe).encode(batch, network.outputs, SMALL)
    losses = build_losses(recipe, network.outputs)["heatmaps"]
    stages = network(torch.randn(2, 3, *SMALL))
    assert len(stages) == len(targets) == len(losses)
    assert all(weight > 0 for _, weight in losses)
    total = sum(
        weight * loss(stage["heatmaps"], *target["heatmaps"])
        for stage, target, (loss, weight) in zip(stages, targets, losses, strict=True)
    )
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("size", ["256x192", "384x288"])
def test_ohkm_is_on_the_last_stage_alone(size: str) -> None:
    recipe = recipe_of(f"cpn_r50_ohkm_coco_{size}")
    with torch.device("meta"):
        losses = build_losses(recipe, build_architecture(recipe).outputs)["heatmaps"]
    assert [loss.top_k for loss, _ in losses] == [None, None, None, None, 8]


@pytest.mark.parametrize("name", top_down())
def test_published_rows_say_where_from_and_under_which_protocol(name: str) -> None:
    for row in recipe_of(name).published:
        assert row.source
        assert {key.partition("@")[2] for key in row.metrics} <= {"gt", "det", "test-dev"}
        assert all(0 < value < 1 for value in row.metrics.values())
        assert row.note or not row.protocol_doubtful
        assert (row.gflops is None) == (row.gflops_count is None)


def test_what_is_in_doubt_is_marked() -> None:
    doubtful = {n for n in COCO if any(r.protocol_doubtful for r in recipe_of(n).published)}
    plug_ins = {n for n in COCO if n.startswith("pose_renet_")}
    plain = "pose_renet_hrnet_w32_coco_256x192"  # whose row looks like its own protocol's
    assert plain not in doubtful
    assert doubtful >= {"ca_hrnet_w32_coco_256x192"} | (plug_ins - {plain})


def test_dvc_hears_of_every_file_that_a_network_is_built_from() -> None:
    expected = {
        "ca_hrnet_w32_coco_256x192": {"ca_hrnet", "hrnet"},
        "pose_renet_hrnet_w32_coco_256x192": {"hrnet", "pose_renet"},
        "hsr_msnet_59_coco_256x192": {"hsr_msnet", "hsrnet", "simple_baseline"},
        "cpn_r50_coco_256x192": {"cpn"},
    }
    for name, files in expected.items():
        places = map(Path, trains(recipe_of(name), Sources()).files)
        networks = {path.stem for path in places if path.parent == Path("models")}
        weights = {"weights", "weight_files", "weight_layouts"}
        assert networks - weights - {"__init__", "contracts", "layers", "menus"} == files
