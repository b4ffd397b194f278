"""CA-HRNet: cost as the tables say, attention as its formula, HRNet's weights but for `ca.*`."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from models.ca_hrnet import CABlock, CAHRNet, CoordinateAttention
from models.cost import count
from models.hrnet import HRNet
from models.weights import load_trunk
from tests.worlds.here import MANIFESTS


def build(**options: Any) -> CAHRNet:
    torch.manual_seed(0)
    return CAHRNet({"heatmaps": 17}, **CAHRNet.VARIANTS["demo"] | options)


# options, (width, height), params, exact Gi
TABLE = [
    ({"width": 32}, (192, 256), 28_791_537, 7.126),
    ({"width": 32}, (288, 384), 28_791_537, 16.028),
    ({"width": 32, "reduction": 16}, (192, 256), 28_865_553, 7.126),
    ({"width": 32, "attentions": 2}, (192, 256), 29_046_961, 7.131),
    ({"width": 48}, (192, 256), 64_033_073, 14.623),
]


@pytest.mark.contract
@pytest.mark.parametrize(("options", "size", "params", "exact_gi"), TABLE)
def test_costs_what_the_design_measured(
    options: dict, size: tuple[int, int], params: int, exact_gi: float
) -> None:
    with torch.device("meta"):
        cost = count(CAHRNet({"heatmaps": 17}, **options), size)
    assert (cost.params, round(cost.exact_gi, 3)) == (params, exact_gi)
    assert cost.macs_exact == cost.macs_hr


def test_attention_equals_its_formula() -> None:
    torch.manual_seed(0)
    attention, y = CoordinateAttention(16, 2).eval(), torch.randn(2, 16, 5, 3)
    attention.bn1.running_mean.normal_()
    expected = torch.empty_like(y)

    def narrow(line: torch.Tensor) -> torch.Tensor:  # [B, C] of one row or column -> [B, m]
        z = attention.bn1(attention.conv1(line[:, :, None, None]))
        return z * (z + 3).clamp(0, 6) / 6

    for i in range(5):
        for j in range(3):
            a_h = attention.conv_h(narrow(y[:, :, i].mean(-1))).sigmoid()[:, :, 0, 0]
            a_w = attention.conv_w(narrow(y[:, :, :, j].mean(-1))).sigmoid()[:, :, 0, 0]
            expected[:, :, i, j] = y[:, :, i, j] * a_h * a_w
    torch.testing.assert_close(attention(y), expected)


def test_attention_stands_before_the_sum() -> None:
    block, x = CABlock(16, 32, attentions=1).eval(), torch.randn(1, 16, 6, 4)
    y = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    torch.testing.assert_close(block(x), (x + block.ca(y)).relu())


@pytest.mark.parametrize("keypoints", [17, 16])
def test_hrnet_weights_leave_only_the_attention_missing(keypoints: int) -> None:
    name = "hrnet_w32_coco17" if keypoints == 17 else "hrnet_w32_mpii16"
    shapes = json.loads((MANIFESTS / f"{name}.json").read_text())
    with torch.device("meta"):
        network = CAHRNet({"heatmaps": keypoints}, width=32)
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    report = load_trunk(network, state)
    assert not report.left_out
    assert len(report.loaded) == len(shapes)
    assert report.missing
    assert all(".ca." in key for key in report.missing)


def test_open_gates_paint_what_the_loaded_hrnet_paints() -> None:
    torch.manual_seed(1)
    donor = HRNet({"heatmaps": 17}, **HRNet.VARIANTS["demo"]).eval()
    images = torch.randn(1, 3, 64, 64)
    network = build(gate_bias=20.0, attentions=2).eval()
    load_trunk(network, donor.state_dict())
    expected, given = donor(images)[0]["heatmaps"], network(images)[0]["heatmaps"]
    torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-5)
    half = build(gate_bias=0.0).eval()
    load_trunk(half, donor.state_dict())
    assert not torch.allclose(half(images)[0]["heatmaps"], expected, rtol=1e-2)


def test_every_residual_starts_near_a_quarter_or_open() -> None:
    """Means of gates by the weights' chance around sigmoid(gate_bias), squared."""
    torch.manual_seed(0)
    for bias, expected in ((0.0, 0.25), (4.0, 0.964)):
        network = CAHRNet({"heatmaps": 17}, **CAHRNet.VARIANTS["w32"], gate_bias=bias).eval()
        gates = [m for m in network.modules() if isinstance(m, CoordinateAttention)]
        assert len(gates) == 104
        for gate in gates[::13]:
            y = torch.randn(2, gate.conv_h.out_channels, 8, 6)
            assert (gate(y) / y).mean().item() == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("options", [{"attentions": 3}, {"reduction": 0}, {"init": "x"}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
