"""Weights under the names that other frameworks give them fill the network to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.menus import ARCHITECTURES, REFINEMENTS
from models.weight_files import read_state_dict
from models.weight_layouts import LAYOUTS, OWN
from models.weights import fit, load_trunk, load_whole
from tests.worlds import families
from tests.worlds.here import MANIFESTS

State = dict[str, Tensor]
OLD, NEW, ONE_SCALE, LIGHTNING, REFINED = list(LAYOUTS)[1:]


def heads_apart(state: State, trunk: str, heads: str, names: Sequence[str]) -> State:
    """`final_layer.*` below the heads' name, the rest below the trunk's."""
    of = tuple(f"{name}." for name in names)
    return {f"{heads if k.startswith(of) else trunk}.{k}": v for k, v in state.items()}


def old_mmpose(state: State, network: nn.Module) -> State:
    return heads_apart(state, "backbone", "keypoint_head", network.HEADS)


def new_mmpose(state: State, network: nn.Module) -> State:
    numbers = {f"data_preprocessor.{name}": torch.ones(3, 1, 1) for name in ("mean", "std")}
    return numbers | heads_apart(state, "backbone", "head", network.HEADS)


def one_scale(state: State, network: nn.Module) -> State:
    renamed = {key.replace("final_layers.0.", "final_layer."): v for key, v in state.items()}
    return heads_apart(renamed, "backbone", "head", ["final_layer"])


def lightning(state: State, network: nn.Module) -> State:
    loss = {"loss.weight": torch.ones(3)}
    return loss | {f"model.{key}": value for key, value in state.items()}


WRITTEN: list[tuple[str, Callable[[State, nn.Module], State], str]] = [
    ("hrnet", old_mmpose, OLD),
    ("hrnet", new_mmpose, NEW),
    ("simple_baseline", old_mmpose, OLD),
    ("simple_baseline", new_mmpose, NEW),
    ("higher_hrnet", old_mmpose, OLD),
    ("higher_hrnet", new_mmpose, NEW),
    ("hrnet_bottom_up", one_scale, ONE_SCALE),
    ("hrnet", lightning, LIGHTNING),
    ("lightweight_openpose", lightning, LIGHTNING),
    ("lightweight_openpose", lambda state, _: state, OWN),
]


def build(name: str, seed: int = 0, keypoints: int = 17, variant: str = "demo") -> nn.Module:
    torch.manual_seed(seed)
    kind = ARCHITECTURES[name]
    return kind(families.channels(name, keypoints), **kind.VARIANTS[variant])


@pytest.mark.parametrize(("name", "write", "layout"), WRITTEN)
def test_every_layout_fills_the_network(
    name: str, write: Callable[[State, nn.Module], State], layout: str
) -> None:
    donor, network = build(name, seed=1), build(name, seed=2)
    report = load_whole(network, write(donor.state_dict(), donor))
    assert report.layout == layout
    expected = donor.state_dict()
    assert all(torch.equal(value, expected[k]) for k, value in network.state_dict().items())
    assert str(report).startswith("names as of " if layout != OWN else "loaded ")


@pytest.mark.parametrize("write", [old_mmpose, new_mmpose])
@pytest.mark.parametrize(
    ("name", "variant", "manifest"),
    [
        ("hrnet", "w32", "hrnet_w32_coco17"),
        ("hrnet", "w48", "hrnet_w48_coco17"),
        ("simple_baseline", "r50", "simplebaseline_r50_coco17"),
        ("higher_hrnet", "w32", "higherhrnet_w32_coco17"),
        ("lightweight_openpose", "r1", "lightweight_openpose_r1"),
    ],
)
def test_published_files_fit_whole_whoever_packed_them(
    name: str, variant: str, manifest: str, write: Callable[[State, nn.Module], State]
) -> None:
    shapes = json.loads((MANIFESTS / f"{manifest}.json").read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with torch.device("meta"):
        network = build(name, variant=variant)
    _, report = fit(network, write(state, network))
    assert report.whole and len(report.loaded) == len(state)


def test_a_trunk_comes_from_another_framework_and_the_head_of_other_keypoints_is_said() -> None:
    donor, network = build("hrnet", seed=1, keypoints=17), build("hrnet", seed=2, keypoints=6)
    head = network.state_dict()["final_layer.weight"].clone()
    report = load_trunk(network, new_mmpose(donor.state_dict(), donor))
    expected = donor.state_dict()
    for key, value in network.state_dict().items():
        if key.startswith("final_layer."):
            continue
        assert torch.equal(value, expected[key]), key
    assert torch.equal(network.state_dict()["final_layer.weight"], head)
    assert (report.share, report.missing) == (1.0, ("final_layer.weight", "final_layer.bias"))
    assert "final_layer ([17, 16, 1, 1] in the file, [6, 16, 1, 1] in the network)" in str(report)
    assert "keep their initial values 2: final_layer x2" in str(report)


def test_a_base_comes_out_of_a_refined_network() -> None:
    donor, network = build("hrnet", seed=1), build("hrnet", seed=2)
    state = REFINEMENTS["pose_renet"](donor, aligned=False).state_dict()
    report = load_trunk(network, state)
    assert report.layout == REFINED and not report.missing
    assert torch.equal(network.state_dict()["conv1.weight"], donor.state_dict()["conv1.weight"])


def test_where_none_fits_the_tried_ones_are_listed() -> None:
    network = build("hrnet")
    for load in (load_trunk, load_whole):
        with pytest.raises(ValueError, match="HRNet") as caught:
            load(network, {"encoder.patch.weight": torch.ones(3)}, "vit.pth")
        assert all(layout in str(caught.value) for layout in LAYOUTS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    state = build("hrnet").state_dict()
    state["layer1.0.bn1.bias"][3] = value
    torch.save({"state_dict": state}, tmp_path / "burst.pth")
    said = r"burst\.pth: 1 of \d+ tensors hold NaN or infinity, the first layer1\.0\.bn1\.bias"
    with pytest.raises(ValueError, match=said):
        read_state_dict(tmp_path / "burst.pth")


def test_what_else_a_checkpoint_holds_may_be_arrays(tmp_path: Path) -> None:
    state = build("hrnet").state_dict()
    meta = {"dataset_meta": {"sigmas": np.array([0.026, 0.1]), "colours": np.zeros((2, 3), "u1")}}
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "epoch_210.pth")
    assert read_state_dict(tmp_path / "epoch_210.pth").keys() == state.keys()
