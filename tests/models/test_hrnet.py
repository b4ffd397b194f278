"""HRNet is the published network: parameters, keys and shapes; fusion as the paper draws it."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from models.hrnet import ExchangeModule, HRNet, exchange, transition, widen
from tests.worlds.here import MANIFESTS


@pytest.mark.parametrize(("variant", "params"), [("w32", 28_536_113), ("w48", 63_595_745)])
def test_is_the_published_network(variant: str, params: int) -> None:
    with torch.device("meta"):
        network = HRNet({"heatmaps": 17}, **HRNet.VARIANTS[variant])
    assert sum(p.numel() for p in network.parameters()) == params
    manifest = json.loads((MANIFESTS / f"hrnet_{variant}_coco17.json").read_text())
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == manifest


def test_sixteen_keypoints() -> None:
    with torch.device("meta"):
        network = HRNet({"heatmaps": 16}, width=32)
    assert sum(p.numel() for p in network.parameters()) == 28_536_080


def test_fusion_equals_its_plain_sum() -> None:
    torch.manual_seed(0)
    module = ExchangeModule((4, 8, 16), blocks=1, outputs=3).eval()
    branches = [torch.randn(2, 4 * 2**i, 16 // 2**i, 8 // 2**i) for i in range(3)]
    fused = module(branches)
    inputs = [blocks(x) for blocks, x in zip(module.branches, branches, strict=True)]
    for to, (paths, output) in enumerate(zip(module.fuse_layers, fused, strict=True)):
        assert output.shape == branches[to].shape
        total = sum(path(x) for path, x in zip(paths, inputs, strict=True))
        torch.testing.assert_close(output, total.clamp(min=0))


def test_exchange_has_no_relu_before_the_sum() -> None:
    down = [m for m in exchange((4, 8, 16), 0, 2).modules() if not list(m.children())]
    assert [type(m) for m in down] == [
        nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d
    ]  # fmt: skip
    up = list(exchange((4, 8, 16), 2, 0).children())
    assert [type(m) for m in up] == [nn.Conv2d, nn.BatchNorm2d, nn.Upsample]
    assert up[2].scale_factor == 4


def test_a_transition_feeds_the_new_branch_from_the_last() -> None:
    branches = [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)]
    widened = widen(transition((4, 8), (4, 8, 16)), branches)
    assert [tuple(x.shape) for x in widened] == [(1, 4, 8, 8), (1, 8, 4, 4), (1, 16, 2, 2)]
    assert widened[0] is branches[0]
    assert widened[1] is branches[1]


@pytest.mark.parametrize("options", [{"width": 0}, {"modules": [1, 4]}, {"init": "x"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        HRNet({"heatmaps": 17}, **options)
