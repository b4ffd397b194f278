"""HSRNet: cost as the tables say, DetNet's names and shapes, stride 16 kept by dilation."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from models.cost import count
from models.hsrnet import DilatedBottleneck, HSRNet
from tests.worlds.here import MANIFESTS

# variant, (width, height), params, exact Gi, HR Gi
TABLE = [
    ("59", (192, 256), 22_595_921, 6.073, 10.573),
    ("59", (288, 384), 22_595_921, 13.665, 23.790),
    ("110", (192, 256), 41_588_049, 9.460, 13.960),
    ("110", (288, 384), 41_588_049, 21.285, 31.410),
    ("161", (192, 256), 57_231_697, 12.847, 17.347),
    ("161", (288, 384), 57_231_697, 28.905, 39.030),
    ("59_k2", (192, 256), 18_663_761, 4.948, 6.073),
    ("59_k3", (192, 256), 20_302_161, 5.417, 7.948),
    ("wide", (192, 256), 50_536_785, 11.065, 17.815),
]
EXACT_G = {"59": 6.521, "110": 10.158, "161": 13.794, "59_k2": 5.313, "59_k3": 5.816}


def build(variant: str) -> HSRNet:
    with torch.device("meta"):
        return HSRNet({"heatmaps": 17}, **HSRNet.VARIANTS[variant])


@pytest.mark.parametrize(("variant", "size", "params", "exact_gi", "hr_gi"), TABLE)
def test_costs_what_the_design_measured(
    variant: str, size: tuple[int, int], params: int, exact_gi: float, hr_gi: float
) -> None:
    cost = count(build(variant), size)
    assert cost.params == params
    assert (round(cost.exact_gi, 3), round(cost.hr_gi, 3)) == (exact_gi, hr_gi)
    if size == (192, 256) and variant in EXACT_G:
        assert round(cost.exact_g, 3) == EXACT_G[variant]


def test_parts_cost_what_the_design_measured() -> None:
    parts = {
        name: sum(p.numel() for p in m.parameters()) for name, m in build("59").named_children()
    }
    assert parts["conv1"] + parts["bn1"] == 9_536
    assert [parts[f"layer{i}"] for i in (1, 2, 3)] == [215_808, 1_219_584, 7_098_368]
    assert parts["layer4"] == parts["layer5"] == 4_402_176
    assert (parts["deconv_layers"], parts["final_layer"]) == (5_243_904, 4_369)


def test_trunk_has_the_names_and_shapes_of_detnet_59() -> None:
    manifest = json.loads((MANIFESTS / "detnet59_imagenet.json").read_text())
    own = {k: list(v.shape) for k, v in build("59").state_dict().items()}
    trunk = {k: shape for k, shape in own.items() if not k.startswith(HSRNet.HEADS)}
    assert trunk == {k: shape for k, shape in manifest.items() if not k.startswith("fc.")}


def test_a_dilated_block_sees_two_cells_away_and_keeps_the_size() -> None:
    torch.manual_seed(0)
    block = DilatedBottleneck(8, 16, projects=True).eval()
    still = torch.randn(1, 8, 9, 9)
    moved = still.clone()
    moved[:, :, 4, 4] += 5.0
    changed = (block(moved) - block(still)).abs().sum((0, 1)) > 0
    assert changed.shape == (9, 9)
    reached = {(int(y) - 4, int(x) - 4) for y, x in changed.nonzero()}
    assert reached == {(y, x) for y in (-2, 0, 2) for x in (-2, 0, 2)}


@pytest.mark.parametrize(
    "options",
    [{"deconv_kernel": 5}, {"layers": (3, 4, 6, 3)}, {"dilated_planes": 0}, {"deconv_width": 0}],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        HSRNet({"heatmaps": 17}, **options)
