"""Which blocks are compiled, and when they are called as they were written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.training.compiling import as_written, blocks, compile_blocks

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    yield
    torch.compiler.reset()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hrnet_w32_coco_256x192", {"ExchangeModule": 8, "Bottleneck": 4}),
        ("simple_baseline_r50_coco_256x192", {"Bottleneck": 16}),
        ("demo_openpose", {"OpenPose": 1}),
    ],
)
def test_the_outermost_that_repeat(name: str, expected: dict[str, int]) -> None:
    with torch.device("meta"):
        network = build_architecture(load_recipe(name))
    assert Counter(type(block).__name__ for block in blocks(network)) == expected


class Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def test_compiled_for_training_and_as_written_in_between() -> None:
    network, traced = nn.Sequential(Twice(), nn.ReLU(), Twice()), 0

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        nonlocal traced
        traced += 1
        return graph.forward

    names = list(network.state_dict())
    assert compile_blocks(network, backend=backend) == 2
    with as_written(network):
        assert network(torch.ones(5)).tolist() == [4.0] * 5
    assert traced == 0
    assert network(torch.ones(3)).tolist() == [4.0] * 3
    assert traced == 1, "two blocks of one class, one shape: compiled once"
    assert list(network.state_dict()) == names
