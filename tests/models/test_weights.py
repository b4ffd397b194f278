"""Official layouts load, reports can be read, files of other networks are refused whole."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.hrnet import HRNet
from models.menus import ARCHITECTURES
from models.simple_baseline import SimpleBaseline
from models.weight_files import read_state_dict
from models.weights import load_trunk, load_whole
from tests.worlds import families
from tests.worlds.here import MANIFESTS

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
    return architecture(families.channels(name, keypoints), **architecture.VARIANTS[variant])


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


def manifest(name: str) -> dict[str, Tensor]:
    """A published file's names and shapes, without values."""
    shapes = json.loads((MANIFESTS / f"{name}.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def resnet(depth: int) -> dict[str, Tensor]:
    """torchvision's ImageNet file."""
    state = manifest(f"simplebaseline_r{depth}_coco17")
    heads = tuple(f"{head}." for head in SimpleBaseline.HEADS)
    state = {key: value for key, value in state.items() if not key.startswith(heads)}
    classifier = {"fc.weight": (1000, 2048), "fc.bias": (1000,)}
    return state | {k: torch.empty(v, device="meta") for k, v in classifier.items()}


def meta(name: str, variant: str) -> nn.Module:
    with torch.device("meta"):
        return build(name, variant=variant)


def parts(keys: Iterable[str]) -> set[str]:
    return {key.split(".")[0] for key in keys}


def test_detnet_fills_the_trunk_of_hsrnet() -> None:
    network, state = meta("hsrnet", "59"), manifest("detnet59_imagenet")
    report = load_trunk(network, state)
    assert set(report.left_out) == {"fc.weight", "fc.bias"}
    assert (len(report.loaded), report.share, report.fresh) == (len(state) - 2, 1.0, {})
    assert parts(report.missing) == set(network.HEADS)
    assert str(report).splitlines()[1] == "left out 2: fc (not in the network) x2"


@pytest.mark.parametrize(("variant", "depth"), [("59", 50), ("110", 101), ("161", 152)])
def test_resnet_fills_the_first_stages_of_hsrnet(variant: str, depth: int) -> None:
    network = meta("hsrnet", variant)
    report = load_trunk(network, resnet(depth))
    assert report.due == 1.0
    assert 0.4 < report.share < 0.9
    first = {k for k in resnet(depth) if parts([k]) <= {"conv1", "bn1", *network.names}}
    assert set(report.loaded) == first
    assert set(report.fresh.values()) == {"layer4.*", "layer5.*"}
    assert set(report.missing) - set(report.fresh) == {
        key for key in report.missing if key.startswith(network.HEADS)
    }
    text = str(report)
    assert f"{report.share:.1%} of the trunk (100.0% of what a file must fill)" in text
    assert "of the trunk start fresh 100: layer4.* x50, layer5.* x50" in text
    assert len(text) < 1200


@pytest.mark.parametrize(
    ("name", "variant", "state"),
    [
        ("hsrnet", "110", resnet(50)),
        ("hsrnet", "59", manifest("hrnet_w32_coco17")),
        ("hsr_msnet", "59", manifest("hrnet_w32_coco17")),
        ("cpn", "r101", resnet(50)),
        ("ca_hrnet", "w32", manifest("hrnet_w48_coco17")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_file_may_lack_does_not_let_others_in(
    name: str, variant: str, state: dict[str, Tensor]
) -> None:
    with pytest.raises(ValueError, match="of its trunk, accepted: at least 90%"):
        load_trunk(meta(name, variant), state)


@pytest.mark.parametrize("name", ["simple_baseline", "cpn"])
@pytest.mark.parametrize(("variant", "depth"), [("r50", 50), ("r101", 101)])
def test_resnet_fills_whole_trunks(name: str, variant: str, depth: int) -> None:
    network = meta(name, variant)
    report = load_trunk(network, resnet(depth))
    assert set(report.left_out) == {"fc.weight", "fc.bias"}
    assert (report.share, parts(report.missing)) == (1.0, set(network.HEADS))


@pytest.mark.parametrize(
    ("state", "later", "share"),
    [(resnet(50), set(), 0.039), (manifest("detnet59_imagenet"), {"layer4", "layer5"}, 0.545)],
    ids=["resnet", "detnet"],
)
def test_hsr_msnet_takes_what_is_the_same_layer(
    state: dict[str, Tensor], later: set[str], share: float
) -> None:
    report = load_trunk(meta("hsr_msnet", "59"), state)
    assert (report.due, round(report.share, 3)) == (1.0, share)
    for key in report.loaded:  # and no norm of a convolution that is another one here
        assert parts([key]) <= {"conv1", "bn1"} | later or ".downsample." in key, key
    assert parts(report.loaded) == {"conv1", "bn1", "layer1", "layer2", "layer3"} | later
    assert report.left_out["layer1.0.bn3.weight"] == "its convolution is not loaded"


def imagenet_hrnet() -> dict[str, Tensor]:
    """The trunk's ImageNet file: all fusions of the last module, and a classifier."""
    state = {k: v for k, v in manifest("hrnet_w32_coco17").items() if "final_layer" not in k}
    others = {
        f"stage4.2.fuse_layers.{k.split('.', 3)[3]}": v
        for k, v in state.items()
        if k.startswith("stage4.1.fuse_layers.") and not k.startswith("stage4.1.fuse_layers.0.")
    }
    further = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.weight", "classifier.weight")
    more = {key: torch.empty(8, 8, device="meta") for key in further}
    head = {"final_layer.0.weight": torch.empty(2048, 1024, 1, 1, device="meta")}
    return state | others | more | head


@pytest.mark.parametrize("name", ["hrnet", "ca_hrnet"])
def test_imagenet_hrnet_with_its_extra_keys(name: str) -> None:
    state = imagenet_hrnet()
    report = load_trunk(meta(name, "w32"), state)
    assert set(report.left_out.values()) == {"not in the network"}
    assert parts(report.left_out) == {
        "stage4", "incre_modules", "downsamp_modules", "classifier", "final_layer"
    }  # fmt: skip
    assert len(report.loaded) + len(report.left_out) == len(state)
    assert report.due == 1.0
    head = [key for key in report.missing if ".ca." not in key]
    assert head == ["final_layer.weight", "final_layer.bias"]
    if name == "ca_hrnet":
        assert set(report.fresh.values()) == {"*.ca.*"}
        assert f"of the trunk start fresh {len(report.fresh)}: *.ca.* x" in str(report)


def test_statistics_of_another_convolution_are_left_out() -> None:
    donor, options = build("simple_baseline", seed=1), SimpleBaseline.VARIANTS["demo"]
    torch.manual_seed(2)
    network = SimpleBaseline({"heatmaps": 17}, **options | {"deconv_kernel": 2})
    report = load_trunk(network, donor.state_dict())
    assert report.left_out["deconv_layers.1.running_var"] == "its convolution is not loaded"
    assert "deconv_layers.1.weight" in report.missing
    assert report.share == 1.0
