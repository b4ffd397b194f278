"""Official layouts load, reports can be read, files of other networks are refused whole."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models import ARCHITECTURES
from models.hrnet import HRNet
from models.simple_baseline import SimpleBaseline
from models.weights import load_trunk, load_whole, read_state_dict

MANIFESTS = Path(__file__).parents[1] / "manifests"
PUBLISHED = [
    ("hrnet", "w32", "hrnet_w32"),
    ("hrnet", "w48", "hrnet_w48"),
    ("simple_baseline", "r50", "simplebaseline_r50"),
    ("simple_baseline", "r101", "simplebaseline_r101"),
    ("simple_baseline", "r152", "simplebaseline_r152"),
]


def build(name: str, seed: int = 0, keypoints: int = 17, variant: str = "demo") -> nn.Module:
    torch.manual_seed(seed)
    architecture = ARCHITECTURES[name]
    return architecture({"heatmaps": keypoints}, **architecture.VARIANTS[variant])


def same(network: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


WRAPPED = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 210, "perf": 0.744, "optimizer": {}},
    "model": lambda s: {"model": s, "epoch": 3},
    "parallel": lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}},
    "half": lambda s: {f"1.{k}": v for k, v in s.items()},
    "parallel half": lambda s: {"state_dict": {f"module.1.{k}": v for k, v in s.items()}},
    "half parallel": lambda s: {f"1.module.{k}": v for k, v in s.items()},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_wrapping_is_read(tmp_path: Path, wrap: str, zipped: bool) -> None:
    state = build("hrnet", seed=1).state_dict()
    path = tmp_path / "pose.pth.tar"
    torch.save(WRAPPED[wrap](state), path, _use_new_zipfile_serialization=zipped)
    network = build("hrnet", seed=2)
    load_whole(network, read_state_dict(path))
    assert same(network, state)


def test_safetensors_are_read(tmp_path: Path) -> None:
    state = build("simple_baseline", seed=1).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    network = build("simple_baseline", seed=2)
    load_whole(network, read_state_dict(tmp_path / "model.safetensors"))
    assert same(network, state)


@pytest.mark.parametrize(("name", "variant", "manifest"), PUBLISHED)
def test_published_pose_files_fit(name: str, variant: str, manifest: str) -> None:
    shapes = json.loads((MANIFESTS / f"{manifest}_coco17.json").read_text())
    with torch.device("meta"):
        network = build(name, variant=variant)
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
    load_whole(network, state)
    report = load_trunk(network, state)
    assert (len(report.loaded), report.left_out, report.missing) == (len(shapes), {}, ())


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_old_files_without_counters_load(name: str) -> None:
    state = without_counters(build(name, seed=1).state_dict())
    whole, trunk = build(name, seed=2), build(name, seed=2)
    load_whole(whole, state)
    report = load_trunk(trunk, state)
    for network in (whole, trunk):
        assert all(torch.equal(network.state_dict()[key], value) for key, value in state.items())
    assert not report.missing


def test_imagenet_hrnet_fills_the_trunk() -> None:
    state = without_counters(build("hrnet", seed=1).state_dict())
    state["stage4.0.fuse_layers.1.0.0.0.weight"] = torch.zeros(32, 16, 3, 3)
    state["incre_modules.0.0.conv1.weight"] = torch.zeros(32, 16, 1, 1)
    state["final_layer.0.weight"] = torch.zeros(2048, 1024, 1, 1)
    state["classifier.weight"] = torch.zeros(1000, 2048)
    del state["final_layer.weight"], state["final_layer.bias"]
    network = build("hrnet", seed=2)
    before = network.final_layer.weight.clone()
    report = load_trunk(network, state)
    assert report.share == 1.0
    assert set(report.missing) == {"final_layer.weight", "final_layer.bias"}
    assert set(report.left_out.values()) == {"not in the network"}
    assert len(report.left_out) == 4
    assert torch.equal(network.final_layer.weight, before)
    assert torch.equal(network.conv1.weight, state["conv1.weight"])


def test_torchvision_resnet_fills_the_trunk_of_simple_baseline() -> None:
    donor = build("simple_baseline", seed=1)
    heads = SimpleBaseline.HEADS
    state = {k: v for k, v in donor.state_dict().items() if not k.startswith(heads)}
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    network = build("simple_baseline", seed=2)
    report = load_trunk(network, state)
    assert set(report.left_out) == {"fc.weight", "fc.bias"}
    assert {key.split(".")[0] for key in report.missing} == set(heads)
    assert torch.equal(network.layer4[0].conv3.weight, donor.layer4[0].conv3.weight)


def test_a_head_of_another_skeleton_is_left_out_with_its_shapes() -> None:
    network, state = build("hrnet", keypoints=16), build("hrnet", seed=1).state_dict()
    report = load_trunk(network, state)
    assert report.left_out == {
        "final_layer.weight": "[17, 16, 1, 1] in the file, [16, 16, 1, 1] in the network",
        "final_layer.bias": "[17] in the file, [16] in the network",
    }
    text = str(report)
    assert f"loaded {len(state) - 2} of {len(state)} tensors, 100.0% of the trunk" in text
    assert "left out 2: final_layer ([17, 16, 1, 1] in the file" in text
    assert "keep their initial values 2: final_layer x2" in text
    assert len(text) < 600


def other_files() -> dict[str, dict[str, Tensor]]:
    hrnet = build("hrnet").state_dict()
    return {
        "another architecture": build("simple_baseline").state_dict(),
        "another width": HRNet({"heatmaps": 17}, **HRNet.VARIANTS["demo"] | {"width": 12})
        .state_dict(),
        "a text model": {"embedding.weight": torch.zeros(3, 4)},
        "its head alone": {k: v for k, v in hrnet.items() if k.startswith("final_layer")},
    }  # fmt: skip


@pytest.mark.parametrize("kind", other_files())
@pytest.mark.parametrize("load", [load_trunk, load_whole])
def test_a_file_of_another_network_is_refused_whole(kind: str, load: Callable) -> None:
    network, untouched = build("hrnet", seed=2), build("hrnet", seed=2).state_dict()
    with pytest.raises(ValueError, match=r"weights/x\.pth: .*HRNet.*") as caught:
        load(network, other_files()[kind], "weights/x.pth")
    assert "left out" in str(caught.value)
    assert same(network, untouched)


def test_resnet_of_another_depth_is_refused() -> None:
    with torch.device("meta"):
        network = build("simple_baseline", variant="r101")
        state = build("simple_baseline", variant="r50").state_dict()
    with pytest.raises(ValueError, match="of its trunk, accepted: at least 90%"):
        load_trunk(network, state)
    assert load_trunk(network, state, least=0.5).share > 0.5


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.pth: no such file"):
        read_state_dict(tmp_path / "none.pth")
    whole = tmp_path / "whole.pth"
    torch.save(build("hrnet").state_dict(), whole)
    for name in ("cut.pth", "cut.safetensors"):
        (tmp_path / name).write_bytes(whole.read_bytes()[:1000])
        with pytest.raises(ValueError, match=name):
            read_state_dict(tmp_path / name)
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.pth"):
        read_state_dict(tmp_path / "empty.pth")
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"holds no state dict, found \['epoch', 'lr'\]"):
        read_state_dict(tmp_path / "other.pth")


class Bomb:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("bomb"),)


def test_a_pickle_that_runs_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Bomb(), 2))
    for name in ("bomb.pth", "bomb.pkl"):
        with pytest.raises(ValueError, match=f"{name}: not a torch checkpoint, or one that holds"):
            read_state_dict(tmp_path / name)
    assert not (tmp_path / "bomb").exists()
