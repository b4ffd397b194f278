"""Ghost OpenPose costs what was decided, row by row; GhostNet's ImageNet file fills its trunk."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from models.cost import count
from models.ghost_blocks import SqueezeExcitation
from models.ghost_openpose import ROWS, GhostOpenPose, squeezed
from models.weights import load_trunk
from tests.worlds.here import MANIFESTS

LITERAL, UNROUNDED = {"tail": "none"}, {"se_rounding": False}
# options, params, exact G, exact Gi at 368x368
TABLE = [
    ({}, 3_822_030, 7.375, 6.868),
    (UNROUNDED, 3_821_258, 7.375, 6.868),
    (GhostOpenPose.VARIANTS["decided_no_se"], 3_468_794, 7.374, 6.868),
    (LITERAL, 3_010_286, 5.671, 5.282),
    (LITERAL | UNROUNDED, 3_009_514, 5.671, 5.282),
    (LITERAL | UNROUNDED | {"refinements": 2}, 4_618_147, 9.065, 8.442),
]
# of the table in the paper, with a quarter of the channels hidden in SE
ROW_PARAMS = [464, 2_564, 2_352, 9_346, 13_190, 20_280, 17_820, 16_436, 16_436, 175_792, 306_992]


def build(device: str = "meta", variant: str = "decided", **options: object) -> GhostOpenPose:
    torch.manual_seed(0)
    options = GhostOpenPose.VARIANTS[variant] | options
    with torch.device(device):
        return GhostOpenPose({"heatmaps": 19, "pafs": 38}, **options)


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("options", "parameters", "exact_g", "exact_gi"), TABLE)
def test_costs_what_was_decided(
    options: dict[str, object], parameters: int, exact_g: float, exact_gi: float
) -> None:
    cost = count(build(**options), (368, 368))
    assert cost.params == parameters
    assert (round(cost.exact_g, 3), round(cost.exact_gi, 3)) == (exact_g, exact_gi)


def test_every_row_costs_what_the_table_says() -> None:
    network = build(**UNROUNDED)
    rows = [row for block in network.blocks for row in block]
    assert [params(row) for row in rows] == ROW_PARAMS
    assert params(network.conv_stem) + params(network.bn1) == 464


def test_every_part_costs_what_it_should() -> None:
    network = build()
    heads = [network.tail, network.cpm, network.initial_stage, network.refinement_stages]
    assert [params(part) for part in heads] == [764_640, 261_760, 604_089, 1_608_633]
    trunk = params(network) - sum(map(params, heads))
    assert trunk == 582_908
    assert [params(layer) for layer in network.tail] == [54_720] + [236_640] * 3


def test_ghostnet_fills_the_trunk() -> None:
    shapes = json.loads((MANIFESTS / "ghostnet_100_imagenet_timm.json").read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    network = build()
    report = load_trunk(network, state)
    assert report.share == 1.0
    assert {key.split(".")[0] for key in report.missing} == set(network.HEADS)
    assert set(report.left_out.values()) == {"not in the network"}
    left_out = {key.rsplit(".", 1)[0] for key in report.left_out}
    assert {key for key in left_out if key < "blocks.7"} == {
        "blocks.5.0.conv_dw", "blocks.5.0.bn_dw"
    }  # fmt: skip
    text = str(report)
    assert "blocks.5.0.conv_dw (not in the network), blocks.5.0.bn_dw (" in text
    assert all(f"{part} (not in the network)" in text for part in ("blocks.7", "conv_head"))
    later = {".".join(key.split(".")[:2]) for key in left_out if key > "blocks.7"}
    assert later == {"blocks.7", "blocks.8", "blocks.9", "conv_head", "classifier"}


def test_a_quarter_of_the_channels_does_not_fit_ghostnet() -> None:
    shapes = json.loads((MANIFESTS / "ghostnet_100_imagenet_timm.json").read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    report = load_trunk(build(**UNROUNDED), state)
    assert {key.split(".se.")[0] for key in report.missing if ".se." in key} == {
        "blocks.3.0", "blocks.4.0"
    }  # fmt: skip


def test_hidden_channels_of_se_as_in_ghostnet() -> None:
    gated = [row.expanded for row in ROWS if row.gated]
    assert [squeezed(width, rounded=True) for width in gated] == [20, 32, 120, 168]
    assert [squeezed(width, rounded=False) for width in gated] == [18, 30, 120, 168]


def test_the_rows_that_the_table_marks_have_a_gate_unless_switched_off() -> None:
    marked = [row.gated for row in ROWS]
    for gated in (True, False):
        rows = [row for block in build(gated=gated).blocks for row in block]
        has = [isinstance(row.se, SqueezeExcitation) for row in rows]
        assert has == [mark and gated for mark in marked]


@pytest.mark.parametrize("options", [{"tail": "long"}, {"refinements": -1}, {"rows": 3}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
