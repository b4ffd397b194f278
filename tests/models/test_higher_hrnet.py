"""HigherHRNet and bottom-up HRNet are the published networks: counts, keys, shapes, the path."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from models.cost import count
from models.higher_hrnet import HigherHRNet, HRNetBottomUp
from models.hrnet import HRNet
from models.weights import load_trunk
from tests.worlds.here import MANIFESTS

CHANNELS = {"heatmaps": 17, "tags": 17}
# network, variant, side, params, exact G, exact Gi, HR G, HR Gi
TABLE = [
    (HigherHRNet, "w32", 512, 28_645_331, 46.203, 43.030, 47.864, 44.577),
    (HigherHRNet, "w32", 640, 28_645_331, 72.193, 67.235, 74.788, 69.652),
    (HigherHRNet, "w48", 640, 63_827_139, 149.469, 139.204, 154.305, 143.708),
    (HigherHRNet, "w48", 512, 63_827_139, 95.660, 89.090, 98.755, 91.973),
    (HRNetBottomUp, "w32", 512, 28_536_674, 40.782, 37.981, 40.782, 37.981),
    (HRNetBottomUp, "w48", 512, 63_596_578, 83.703, 77.955, 83.703, 77.955),
]
PUBLISHED = [
    (HigherHRNet, "w32", "higherhrnet_w32_coco17"),
    (HigherHRNet, "w48", "higherhrnet_w48_coco17"),
    (HRNetBottomUp, "w32", "hrnet_w32_bottomup_ae_coco17"),
]


def build(kind: Any, variant: str, device: str = "meta") -> nn.Module:
    with torch.device(device):
        network: nn.Module = kind(CHANNELS, **kind.VARIANTS[variant])
    return network


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0].__name__}-{row[1]}-{row[2]}")
def test_costs_what_the_papers_print(row: tuple) -> None:
    kind, variant, side, params, *printed = row
    cost = count(build(kind, variant), (side, side))
    assert cost.params == params
    given = [cost.exact_g, cost.exact_gi, cost.hr_g, cost.hr_gi]
    assert given == pytest.approx(printed, abs=6e-4)


def test_the_original_paper_divides_by_mebi() -> None:
    cost = count(build(HRNetBottomUp, "w32"), (512, 512))
    assert round(cost.macs_exact / 2**20 / 1000, 1) == 38.9


@pytest.mark.parametrize(("kind", "variant", "manifest"), PUBLISHED)
def test_has_the_published_keys(kind: Any, variant: str, manifest: str) -> None:
    shapes = json.loads((MANIFESTS / f"{manifest}.json").read_text())
    state = build(kind, variant).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == shapes


def test_stages_at_two_strides() -> None:
    network = build(HigherHRNet, "demo", "cpu").eval()
    coarse, fine = network(torch.zeros(1, 3, 64, 96))
    assert {field: tuple(x.shape) for field, x in coarse.items()} == {
        "heatmaps": (1, 17, 16, 24), "tags": (1, 17, 16, 24)
    }  # fmt: skip
    assert {field: tuple(x.shape) for field, x in fine.items()} == {"heatmaps": (1, 17, 32, 48)}


def test_the_finer_level_sees_features_and_painted_fields() -> None:
    network = build(HigherHRNet, "demo", "cpu").eval()
    images = torch.randn(1, 3, 64, 64)
    first = network.final_layers[0]
    painted = first(network.trunk(images))
    x = torch.cat([network.trunk(images), painted], dim=1)
    expected = network.final_layers[1](network.deconv_layers[0](x))
    coarse, fine = network(images)
    torch.testing.assert_close(fine["heatmaps"], expected)
    torch.testing.assert_close(torch.cat([coarse["heatmaps"], coarse["tags"]], 1), painted)


@pytest.mark.parametrize("kind", [HigherHRNet, HRNetBottomUp])
def test_imagenet_hrnet_fills_the_trunk(kind: Any) -> None:
    donor = HRNet({"heatmaps": 17}, **HRNet.VARIANTS["demo"]).state_dict()
    donor = {key: value for key, value in donor.items() if not key.startswith("final_layer")}
    network = build(kind, "demo", "cpu")
    report = load_trunk(network, donor | {"classifier.weight": torch.zeros(1000, 2048)})
    assert report.share == 1.0
    assert {key.split(".")[0] for key in report.missing} == set(kind.HEADS)
    assert list(report.left_out) == ["classifier.weight"]
    assert torch.equal(network.state_dict()["conv1.weight"], donor["conv1.weight"])


def test_wrong_options_are_refused() -> None:
    with torch.device("meta"), pytest.raises(ValueError, match="deconv_blocks: given"):
        HigherHRNet(CHANNELS, deconv_blocks=0)
