"""HSR-MSNet: cost of every reading as the tables say; the block by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.cost import count
from models.hsr_msnet import HSRMSNet, MultiScaleBlock

PARAMS = {
    "59": 22_662_353,
    "110": 41_962_385,
    "161": 57_861_073,
    "59_w16": 20_368_001,
    "59_w24": 23_493_377,
    "59_w26": 24_357_521,
    "59_n3": 22_194_893,
    "59_all": 25_917_713,
}


def build(**options: Any) -> HSRMSNet:
    with torch.device("meta"):
        return HSRMSNet({"heatmaps": 17}, **options)


@pytest.mark.parametrize("variant", PARAMS)
def test_has_the_parameters_that_the_design_measured(variant: str) -> None:
    network = build(**HSRMSNet.VARIANTS[variant])
    assert sum(p.numel() for p in network.parameters()) == PARAMS[variant]


@pytest.mark.parametrize(("reduction", "params"), [(0, 23_405_921), (8, 25_300_161)])
def test_gates_of_another_size_or_none(reduction: int, params: int) -> None:
    network = build(group_width=26, se_reduction=reduction)
    assert sum(p.numel() for p in network.parameters()) == params


def test_costs_what_the_design_measured() -> None:
    network = build()
    small, large = count(network, (192, 256)), count(network, (288, 384))
    assert (round(small.exact_g, 3), round(small.exact_gi, 3)) == (6.260, 5.830)
    assert round(small.hr_gi, 3) == 10.330
    assert (round(large.exact_gi, 3), round(large.hr_gi, 3)) == (13.117, 23.242)


def by_hand(block: MultiScaleBlock, x: Tensor, adds: bool) -> Tensor:
    parts = block.bn1(block.conv1(x)).clamp(min=0).split(len(block.bns[0].weight), dim=1)
    made: list[Tensor] = []
    for i, part in enumerate(parts):
        given = part if i == 0 or not adds else part + made[i - 1]
        made.append(block.bns[i](block.convs[i](given)).clamp(min=0))
    y = block.bn3(block.conv3(torch.cat(made, 1)))
    hidden = block.se.conv1(y.mean((2, 3), keepdim=True)).clamp(min=0)
    y = y / (1 + (-block.se.conv2(hidden)).exp())
    return (y + block.downsample(x)).clamp(min=0)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_block_by_hand(stride: int) -> None:
    torch.manual_seed(0)
    block = MultiScaleBlock(8, 16, stride, groups=4, group_width=22, reduction=16).eval()
    x = torch.randn(2, 8, 6, 4)
    assert block.bns[0].num_features == 5  # 16 * 22 / 64, rounded down
    given = block(x)
    assert given.shape == (2, 64, 6 // stride, 4 // stride)
    torch.testing.assert_close(given, by_hand(block, x, adds=stride == 1))


@pytest.mark.parametrize(
    "options", [{"groups": 0}, {"group_width": 0}, {"layers": (3, 4)}, {"se_reduction": -1}]
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
