"""A recipe's plug-in brings the field of twice the size onto the codec's grid, by painted targets.

The branches paint what the codec writes, and the decoding reads how far the aggregate lies off.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from data.ground.sample import Batch
from data.ground.yaml_text import read_yaml
from models.contracts import Fields, Network, Refinement
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.reader import load_recipe, recipe_names, recipe_path

BORDER = 14  # px of the input
PEOPLE = 60
REFINED = [name for name in recipe_names() if name.startswith("pose_renet_")]
CODECS = {name: read_yaml(recipe_path(name))["codec"] for name in REFINED}
DARK = [name for name, codec in CODECS.items() if codec["options"].get("unbiased")]
PLAIN = sorted(set(REFINED) - set(DARK))


class Paints(nn.Module):
    """Whatever it is shown, it paints the same; a plug-in's lift: what its sigmoid makes of it."""

    def __init__(self, painted: Tensor) -> None:
        super().__init__()
        self.painted = painted

    def forward(self, _: Tensor) -> Tensor:
        return self.painted


class PaintsStages(Network):
    def __init__(self, like: Network, stages: list[Fields]) -> None:
        super().__init__()
        self.outputs, self.stages = like.outputs, stages

    def forward(self, images: Tensor) -> list[Fields]:
        return self.stages


def off(name: str) -> tuple[Tensor, Tensor]:
    """[N, K, 2] px that the target itself, and the aggregate of perfect branches, read off."""
    recipe = load_recipe(name)
    codec, (width, height) = build_codec(recipe), recipe.size
    network = build_architecture(
        replace(recipe, architecture=replace(recipe.architecture, variant="demo"))
    )
    assert isinstance(network, Refinement)
    keypoints = network.outputs[-1]["heatmaps"].channels
    generator = torch.Generator().manual_seed(0)
    room = torch.tensor([width - 1 - 2 * BORDER, height - 1 - 2 * BORDER])
    points = torch.rand(PEOPLE, keypoints, 2, generator=generator) * room + BORDER
    batch = Batch(
        torch.zeros(PEOPLE, 1, 1, 3, dtype=torch.uint8),
        points,
        torch.full((PEOPLE, keypoints), 2),
        torch.arange(PEOPLE),
        torch.zeros(PEOPLE, 2, 3),
    )
    targets = codec.encode(batch, network.outputs, recipe.size)
    *_, out2, out = ({"heatmaps": stage["heatmaps"][0]} for stage in targets)
    network.base = PaintsStages(network.base, [out])
    network.gate = network.keep = nn.Identity()
    network.lift = Paints(out2["heatmaps"].logit(1e-7))
    stages = network.eval()(torch.empty(PEOPLE, 3, height, width))
    read = [codec.decode([fields], recipe.size) for fields in (out, stages[-1])]
    alone, together = (each.keypoints_input - points for each in read)
    return alone, together


@pytest.mark.parametrize("name", DARK)
def test_perfect_branches_read_back_exactly_in_darks_coding(name: str) -> None:
    """Measured: 0.003 to 0.023 px along each axis; with a 2x2 mean 0.14 to 0.17."""
    _, together = off(name)
    assert together.abs().mean() < 0.03


@pytest.mark.parametrize("name", PLAIN)
def test_perfect_branches_read_back_to_no_side_in_plain_coding(name: str) -> None:
    """Measured: half as far off as the target alone, whose centre is rounded to its own cells;
    with a 2x2 mean half a pixel up and left."""
    alone, together = off(name)
    assert together.abs().mean() < 0.6 * alone.abs().mean()
    assert together.mean((0, 1)).abs().max() < 0.1
