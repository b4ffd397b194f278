"""Lightweight OpenPose is the published network: counts, keys, shapes; refinement; its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.cost import count
from models.lightweight_openpose import LightweightOpenPose
from models.weight_files import read_state_dict
from models.weights import load_trunk, load_whole
from tests.worlds.here import MANIFESTS

CHANNELS = {"heatmaps": 19, "pafs": 38}
TABLE = [
    ("r0", 2_483_065, 5.488),
    ("r1", 4_091_698, 8.882),
    ("r2", 5_700_331, 12.275),
    ("r3", 7_308_964, 15.669),
]
PARTS = {
    "model": 1_613_120,
    "cpm": 265_856,
    "initial_stage": 604_089,
    "refinement_stages.0": 1_608_633,
}


def build(variant: str, device: str = "meta", **options: object) -> nn.Module:
    torch.manual_seed(0)
    with torch.device(device):
        return LightweightOpenPose(CHANNELS, **LightweightOpenPose.VARIANTS[variant] | options)


@pytest.mark.parametrize(("variant", "params", "exact_g"), TABLE)
def test_costs_what_the_paper_prints(variant: str, params: int, exact_g: float) -> None:
    cost = count(build(variant), (368, 368))
    assert (cost.params, round(cost.exact_g, 3)) == (params, exact_g)
    assert cost.macs_hr == cost.macs_exact


@pytest.mark.parametrize(("part", "params"), PARTS.items())
def test_each_part_costs_what_it_should(part: str, params: int) -> None:
    module = build("r1").get_submodule(part)
    assert sum(p.numel() for p in module.parameters()) == params


def test_has_the_published_keys() -> None:
    shapes = json.loads((MANIFESTS / "lightweight_openpose_r1.json").read_text())
    state = build("r1").state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == shapes


def test_the_trunk_keeps_stride_eight() -> None:
    layers = build("r1").model
    strides = [layers[0][0].stride[0], *(layer[0].stride[0] for layer in layers[1:])]
    assert strides == [2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1]
    dilations = [layer[0].dilation[0] for layer in layers[1:]]
    assert dilations == [1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def test_refinement_sees_the_context_and_the_fields_before() -> None:
    network = build("demo", "cpu", refinements=2).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        first, second, third = network(images)
        context = network.cpm(network.model(images))
    for stage, before, after in zip(
        network.refinement_stages, (first, second), (second, third), strict=True
    ):
        expected = stage(torch.cat([context, before["heatmaps"], before["pafs"]], dim=1))
        for field in ("heatmaps", "pafs"):
            torch.testing.assert_close(after[field], expected[field])


def test_a_training_file_of_three_stages_fills_one(tmp_path: Path) -> None:
    donor = build("demo", "cpu", refinements=3)
    saved = {"state_dict": {f"module.{k}": v for k, v in donor.state_dict().items()}, "iter": 37}
    torch.save(saved, tmp_path / "checkpoint_iter_370000.pth")
    network = build("demo", "cpu", init="small_normal")
    report = load_trunk(network, read_state_dict(tmp_path / "checkpoint_iter_370000.pth"))
    assert report.missing == ()
    dropped = {".".join(key.split(".")[:2]) for key in report.left_out}
    assert dropped == {"refinement_stages.1", "refinement_stages.2"}
    assert "left out 176: refinement_stages.1 (not in the network) x88, ref" in str(report)
    for key, value in network.state_dict().items():
        assert torch.equal(value, donor.state_dict()[key]), key


def test_a_training_file_fills_one_whole_once_the_others_are_dropped() -> None:
    state = build("demo", "cpu", refinements=3).state_dict()
    network = build("demo", "cpu")
    with pytest.raises(ValueError, match=r"refinement_stages\.1 \(not in the network\)"):
        load_whole(network, state)
    later = ("refinement_stages.1.", "refinement_stages.2.")
    load_whole(network, {key: value for key, value in state.items() if not key.startswith(later)})
    with pytest.raises(ValueError, match="keep their initial values 78: refinement_stages x78"):
        load_whole(build("demo", "cpu", refinements=4), state)


def imagenet_mobilenet() -> dict[str, Tensor]:
    """Two layers deeper, a classifier, every key under `module.`."""
    state = {k: v for k, v in build("r1").state_dict().items() if k.startswith("model.")}
    further = {"model.12.0.weight": (512, 1, 3, 3), "model.12.3.weight": (1024, 512, 1, 1)}
    classifier = {"fc.weight": (1000, 1024), "fc.bias": (1000,)}
    more = {k: torch.empty(v, device="meta") for k, v in (further | classifier).items()}
    return state | more


def test_imagenet_mobilenet_fills_the_trunk(tmp_path: Path) -> None:
    file = {f"module.{k}": torch.zeros(v.shape) for k, v in imagenet_mobilenet().items()}
    torch.save({"state_dict": file, "best_prec1": 68.8}, tmp_path / "mobilenet.pth.tar")
    network = build("r1")
    report = load_trunk(network, read_state_dict(tmp_path / "mobilenet.pth.tar"))
    assert report.share == 1.0
    assert set(report.left_out) == {
        "model.12.0.weight", "model.12.3.weight", "fc.weight", "fc.bias"
    }  # fmt: skip
    assert {key.split(".")[0] for key in report.missing} == set(network.HEADS)


@pytest.mark.parametrize(
    "options", [{"refinements": -1}, {"refinements": 1.5}, {"mobilenet": (8, 8)}, {"hidden": 0}]
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build("r1", **options)
