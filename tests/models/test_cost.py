"""The four counts equal what the papers and the official summaries print."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

from models.cost import Cost, count
from models.menus import ARCHITECTURES
from tests.worlds import families

# variant, (width, height), exact MACs, HR MACs, exact G, exact Gi, HR G, HR Gi
TABLE = [
    ("w32", (192, 256), 7_645_003_776, 7_645_003_776, 7.645, 7.120, 7.645, 7.120),
    ("w32", (288, 384), 17_201_258_496, 17_201_258_496, 17.201, 16.020, 17.201, 16.020),
    ("w32", (96, 128), 1_911_250_944, 1_911_250_944, 1.911, 1.780, 1.911, 1.780),
    ("w32", (512, 512), 40_773_353_472, 40_773_353_472, 40.773, 37.973, 40.773, 37.973),
    ("w48", (192, 256), 15_691_825_152, 15_691_825_152, 15.692, 14.614, 15.692, 14.614),
    ("w48", (288, 384), 35_306_606_592, 35_306_606_592, 35.307, 32.882, 35.307, 32.882),
    ("w48", (96, 128), 3_922_956_288, 3_922_956_288, 3.923, 3.654, 3.923, 3.654),
    ("r50", (192, 256), 5_426_380_800, 9_654_239_232, 5.426, 5.054, 9.654, 8.991),
    ("r50", (288, 384), 12_209_356_800, 21_722_038_272, 12.209, 11.371, 21.722, 20.230),
    ("r50", (96, 128), 1_356_595_200, 2_413_559_808, 1.357, 1.263, 2.414, 2.248),
    ("r101", (192, 256), 9_062_842_368, 13_290_700_800, 9.063, 8.440, 13.291, 12.378),
    ("r101", (288, 384), 20_391_395_328, 29_904_076_800, 20.391, 18.991, 29.904, 27.850),
    ("r101", (96, 128), 2_265_710_592, 3_322_675_200, 2.266, 2.110, 3.323, 3.094),
    ("r152", (192, 256), 12_699_303_936, 16_927_162_368, 12.699, 11.827, 16.927, 15.765),
    ("r152", (288, 384), 28_573_433_856, 38_086_115_328, 28.573, 26.611, 38.086, 35.470),
    ("r50_k3", (192, 256), 4_809_818_112, 7_187_988_480, 4.810, 4.479, 7.188, 6.694),
    ("r50_k2", (192, 256), 4_369_416_192, 5_426_380_800, 4.369, 4.069, 5.426, 5.054),
]


@cache
def build(variant: str) -> nn.Module:
    name = "hrnet" if variant.startswith("w") else "simple_baseline"
    with torch.device("meta"):
        return ARCHITECTURES[name]({"heatmaps": 17}, **ARCHITECTURES[name].VARIANTS[variant])


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1][0]}")
def test_counts_of_the_published_networks(row: tuple) -> None:
    variant, size, exact, hr, *printed = row
    cost = count(build(variant), size)
    assert (cost.macs_exact, cost.macs_hr) == (exact, hr)
    given = [round(v, 3) for v in (cost.exact_g, cost.exact_gi, cost.hr_g, cost.hr_gi)]
    assert given == printed


def test_mpii_hrnet() -> None:
    with torch.device("meta"):
        network = ARCHITECTURES["hrnet"]({"heatmaps": 16}, width=32)
    cost = count(network, (256, 256))
    assert (cost.params, round(cost.exact_g, 3)) == (28_536_080, 10.193)
    assert round(cost.exact_gi, 3) == 9.493


def test_each_kind_of_layer_by_hand() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),  # 8 x 8 -> 4 x 4: 3 * 8 * 9 * 16
        nn.Conv2d(8, 8, 3, 1, 1, groups=4),  # 8 * 2 * 9 * 16
        nn.ConvTranspose2d(8, 2, 4, 2, 1),  # -> 8 x 8: 8 * 2 * 16 * 16 exactly, * 64 for HR
        nn.BatchNorm2d(2),
        nn.Flatten(),
        nn.Linear(128, 5),  # 640
    )
    convolutions = 3 * 8 * 9 * 16 + 8 * 2 * 9 * 16
    cost = count(layers, (8, 8))
    assert cost.macs_exact == convolutions + 8 * 2 * 16 * 16 + 640
    assert cost.macs_hr == convolutions + 8 * 2 * 16 * 64 + 640
    assert cost.params == sum(p.numel() for p in layers.parameters())


def test_a_layer_used_twice_counts_twice() -> None:
    layer = nn.Conv2d(3, 3, 1, bias=False)
    assert count(nn.Sequential(layer, layer), (4, 4)) == Cost(9, 2 * 9 * 16, 2 * 9 * 16)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_counting_changes_nothing(name: str) -> None:
    network = ARCHITECTURES[name](families.channels(name), **ARCHITECTURES[name].VARIANTS["demo"])
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    first = count(network, (96, 128))
    assert count(network, (96, 128)) == first
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())
