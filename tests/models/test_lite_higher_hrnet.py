"""Lite-HigherHRNet costs what was decided, part by part; its options; what HRNet's files fill."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from models.cost import count
from models.lite_higher_hrnet import LiteHigherHRNet, ghost_exchange
from models.weights import load_trunk
from tests.worlds.here import MANIFESTS

A, B = LiteHigherHRNet.VARIANTS["a"], LiteHigherHRNet.VARIANTS["b"]
BLOCKS = {"stem": "ordinary", "layer1_mid": 0, "transitions": "ordinary"}
FUSION = {"transitions": "ordinary", "fusion": "halving"}
GHOSTS = {"fusion": "ghost", "deconv": "ghost", "layer1_mid": 512, "se_reduction": 4}
OBEDIENT = {"layer1_depthwise": False, "layer1_mid": 396, "stem": "bottleneck"}
# options, params, HR Gi at 512x512
TABLE = [
    (A, 16_366_539, 30.748),
    (LiteHigherHRNet.VARIANTS["a_se4"], 16_868_691, 30.749),
    (LiteHigherHRNet.VARIANTS["a_se16"], 16_115_463, 30.748),
    (LiteHigherHRNet.VARIANTS["a_no_se"], 15_853_059, 30.748),
    (LiteHigherHRNet.VARIANTS["fusion"], 16_183_971, 30.810),
    (B, 16_372_051, 30.700),
    ({"layer1_mid": 256}, 16_156_299, 28.830),
    ({"layer1_mid": 512}, 16_609_547, 32.667),
    ({"layer1_depthwise": False}, 16_349_643, 30.538),
    (OBEDIENT, 16_368_730, 30.700),
    ({"stem": "ghost"}, 16_373_155, 30.741),
    ({"stem": "bottleneck"}, 16_366_350, 30.737),
    ({"stem": "ordinary"}, 16_391_875, 31.053),
    ({"fusion": "halving"}, 15_389_067, 29.900),
    ({"fusion": "ghost"}, 15_286_571, 29.824),
    ({"deconv": "ghost"}, 16_331_995, 28.569),
    (GHOSTS, 16_112_979, 29.563),
    (BLOCKS, 16_414_867, 30.201),
    (BLOCKS | {"se_reduction": 4}, 16_768_339, 30.201),
    (BLOCKS | {"se_reduction": 16}, 16_238_131, 30.201),
    (FUSION | {"se_reduction": 3}, 16_509_084, 30.810),
    (FUSION | {"se_reduction": 8}, 15_681_819, 30.809),
]
# of the decided network: params, HR Gi at 512x512
PARTS = {
    ("conv1", "bn1"): (1_856, 0.1055),
    ("conv2",): (11_656, 0.2583),
    ("layer1.0",): (124_016, 1.2842),
    ("layer1.1",): (143_984, 1.5967),
    ("layer1.2",): (143_984, 1.5967),
    ("layer1.3",): (143_984, 1.5967),
    ("transition1",): (111_216, 0.8470),
    ("transition2",): (37_696, 0.0357),
    ("transition3",): (149_120, 0.0354),
    ("stage2.branches",): (194_864, 1.1514),
    ("stage2.fuse_layers",): (20_672, 0.0781),
    ("stage3.branches",): (3_233_216, 6.8731),
    ("stage3.fuse_layers",): (614_144, 0.9219),
    ("stage4.branches",): (9_742_800, 6.8491),
    ("stage4.fuse_layers",): (1_583_552, 0.9062),
    ("final_layers.0",): (1_122, 0.0166),
    ("deconv_layers",): (108_096, 6.5625),
    ("final_layers.1",): (561, 0.0332),
}


def build(device: str = "meta", variant: str = "a", **options: object) -> LiteHigherHRNet:
    torch.manual_seed(0)
    options = LiteHigherHRNet.VARIANTS[variant] | options
    with torch.device(device):
        return LiteHigherHRNet({"heatmaps": 17, "tags": 17}, **options)


@pytest.mark.full
@pytest.mark.parametrize(("options", "params", "hr_gi"), TABLE)
def test_costs_what_was_decided(options: dict[str, object], params: int, hr_gi: float) -> None:
    network = build(**options)
    assert sum(p.numel() for p in network.parameters()) == params
    assert round(count(network, (512, 512)).hr_gi, 3) == hr_gi


@pytest.mark.parametrize(
    ("variant", "others"), [("a", (33.016, 31.355, 29.202)), ("b", (32.964, 31.303, 29.153))]
)
def test_the_other_three_counts(variant: str, others: tuple[float, ...]) -> None:
    cost = count(build(variant=variant), (512, 512))
    given = (cost.hr_g, cost.exact_g, cost.exact_gi)
    assert tuple(round(value, 3) for value in given) == others


def test_every_part_costs_what_it_should() -> None:
    network = build()
    macs = dict.fromkeys(PARTS, 0)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(partial(add, macs, part_of(name)))
    with torch.no_grad():
        network.eval()(torch.empty(1, 3, 512, 512, device="meta"))
    params = dict.fromkeys(PARTS, 0)
    for name, parameter in network.named_parameters():
        params[part_of(name)] += parameter.numel()
    assert params == {part: given for part, (given, _) in PARTS.items()}
    for part, (_, hr_gi) in PARTS.items():
        assert macs[part] / 2**30 == pytest.approx(hr_gi, abs=6e-5), part


def part_of(name: str) -> tuple[str, ...]:
    """The row of PARTS that a layer or a parameter is of: modules of a stage count together."""
    pieces = name.split(".")
    if pieces[0].startswith("stage"):
        del pieces[1]
    return next(p for p in PARTS for key in p if pieces[: key.count(".") + 1] == key.split("."))


def add(
    macs: dict[tuple[str, ...], int],
    part: tuple[str, ...],
    module: nn.Module,
    _: tuple[Tensor, ...],
    output: Tensor,
) -> None:
    macs[part] += module.weight.numel() * output.shape[-2] * output.shape[-1]


@pytest.mark.contract
@pytest.mark.parametrize("options", [options for options, *_ in TABLE[3:]])
def test_every_option_runs_where_it_is_small(options: dict[str, object]) -> None:
    small = options | ({"layer1_mid": 16} if options.get("layer1_mid", 384) else {})
    network = build("cpu", "demo", **small)
    stages = network(torch.randn(2, 3, 64, 64))
    sum(x.square().mean() for stage in stages for x in stage.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_ghosts_of_a_fusion_have_no_relu_before_the_sum() -> None:
    chain = ghost_exchange("halving", (4, 8, 16), 0, 2)
    relus = [sum(isinstance(m, nn.ReLU) for m in ghost.modules()) for ghost in chain]
    assert relus == [2, 0]
    assert tuple(chain(torch.zeros(2, 4, 16, 16)).shape) == (2, 16, 4, 4)
    up = ghost_exchange("ghost", (4, 8, 16), 2, 0)
    assert not any(isinstance(m, nn.ReLU) for m in up.modules())
    assert tuple(up(torch.zeros(2, 16, 4, 4)).shape) == (2, 4, 16, 16)


def hrnet_file() -> dict[str, Tensor]:
    shapes = json.loads((MANIFESTS / "hrnet_w32_coco17.json").read_text())
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_hrnet_fills_what_is_unchanged() -> None:
    report = load_trunk(build(), hrnet_file())
    assert report.due == 1.0
    unchanged = {key for key in hrnet_file() if key.startswith(("conv1.", "bn1."))}
    unchanged |= {key for key in hrnet_file() if ".fuse_layers." in key}
    assert set(report.loaded) == unchanged
    network = build()
    fusion = sum(p.numel() for k, p in network.named_parameters() if ".fuse_layers." in k)
    trunk = sum(p.numel() for k, p in network.named_parameters()
                if not k.startswith(network.HEADS))  # fmt: skip
    assert report.share == pytest.approx((fusion + 1_856) / trunk)


def test_hrnet_fills_more_where_less_is_replaced() -> None:
    report = load_trunk(build(**BLOCKS), hrnet_file())
    assert report.due == 1.0
    left = {key for key in hrnet_file() if ".branches." in key or key.startswith("final_layer.")}
    assert set(report.left_out) == left


def test_hrnet_of_another_width_is_refused() -> None:
    shapes = json.loads((MANIFESTS / "hrnet_w48_coco17.json").read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with pytest.raises(ValueError, match="of its trunk, accepted: at least 90%"):
        load_trunk(build(), state)


@pytest.mark.parametrize(
    "options",
    [{"stem": "x"}, {"fusion": "all"}, {"se_reduction": -1}, {"layer1_mid": -1}, {"deconv": "no"}],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
