"""PoseReNet: cost as the tables say, the three branches by hand, and every contract of a network
over every architecture that paints heatmaps; a new refinement is tested by standing on the menu."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Network, Output
from models.cost import count
from models.hrnet import HRNet
from models.menus import ARCHITECTURES, LOSSES, REFINEMENTS
from models.pose_renet import PoseReNet, onto_grid
from models.simple_baseline import SimpleBaseline
from tests.worlds import families

REFINABLE = [name for name in sorted(ARCHITECTURES) if "heatmaps" in families.channels(name)]
REFINED = [(refinement, name) for refinement in sorted(REFINEMENTS) for name in REFINABLE]
OPTIONS = sorted(PoseReNet.VARIANTS)


def build(
    name: str, refinement: str = "pose_renet", variant: str = "mean", aligned: bool = False
) -> nn.Module:
    torch.manual_seed(0)
    base = ARCHITECTURES[name](families.channels(name), **ARCHITECTURES[name].VARIANTS["demo"])
    around = REFINEMENTS[refinement]
    return around(base, aligned=aligned, **around.VARIANTS[variant])


def painted(stages: list[dict[str, Tensor]]) -> list[Tensor]:
    return [tensor for stage in stages for tensor in stage.values()]


# base, variant, keypoints, (width, height), params, exact G, exact Gi, HR Gi
TABLE = [
    (SimpleBaseline, "r50", 17, (96, 128), 34_013_144, 1.373, 1.279, 2.273),
    (SimpleBaseline, "r101", 17, (96, 128), 53_005_272, 2.282, 2.125, 3.120),
    (HRNet, "w32", 17, (96, 128), 28_549_560, 1.928, 1.795, 1.805),
    (HRNet, "w48", 17, (96, 128), 63_609_192, 3.939, 3.669, 3.679),
    (HRNet, "w32", 17, (192, 256), 28_549_560, 7.711, 7.181, 7.221),
    (HRNet, "w48", 17, (192, 256), 63_609_192, 15.758, 14.675, 14.715),
    (HRNet, "w48", 17, (288, 384), 63_609_192, 35.454, 33.020, 33.109),
    (SimpleBaseline, "r50", 17, (192, 256), 34_013_144, 5.492, 5.115, 9.092),
    (SimpleBaseline, "r101", 17, (192, 256), 53_005_272, 9.129, 8.502, 12.479),
    (HRNet, "w32", 16, (256, 256), 28_548_000, 10.271, 9.565, 9.612),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[1]}-{row[2]}-{row[3][0]}")
def test_costs_what_the_design_measured(row: tuple) -> None:
    kind, variant, keypoints, size, *expected = row
    with torch.device("meta"):
        network = PoseReNet(kind({"heatmaps": keypoints}, **kind.VARIANTS[variant]))
        cost = count(network, size)
    given = [cost.params, *(round(v, 3) for v in (cost.exact_g, cost.exact_gi, cost.hr_gi))]
    assert given == expected


class Painter(Network):
    """A base that paints what it is told."""

    stride_divisor, HEADS = 4, ()

    def __init__(self, outputs: list, painted: list[dict[str, Tensor]]) -> None:
        super().__init__()
        self.outputs, self.painted = outputs, painted

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        return self.painted


def painter(keypoints: int = 17, size: tuple[int, int] = (64, 48)) -> Painter:
    return Painter(
        [{"heatmaps": Output(keypoints, 4)}], [{"heatmaps": torch.rand(2, keypoints, *size)}]
    )


HEADS = [
    ("mean", 17, 13_447, 66, 108),
    ("mean", 16, 11_920, 58, 96),
    ("conv", 17, 14_331, 68, 111),
    ("conv", 16, 12_704, 61, 98),
    ("depthwise", 17, 6_647, 22, 25),
]


@pytest.mark.parametrize(("variant", "keypoints", "params", "exact", "hr"), HEADS)
def test_the_plug_in_alone(variant: str, keypoints: int, params: int, exact: int, hr: int) -> None:
    base = painter(keypoints)
    base.painted = [{"heatmaps": base.painted[0]["heatmaps"].to("meta")}]
    cost = count(PoseReNet(base, **PoseReNet.VARIANTS[variant]), (192, 256))
    assert cost.params == params
    assert (round(cost.macs_exact / 1e6), round(cost.macs_hr / 1e6)) == (exact, hr)


@pytest.mark.parametrize("variant", OPTIONS)
def test_branches_by_hand(variant: str) -> None:
    torch.manual_seed(0)
    base = painter(size=(6, 4))
    network = PoseReNet(base, aligned=False, **PoseReNet.VARIANTS[variant]).eval()
    own, twice, last = network(torch.empty(2, 3, 24, 16))
    x = base.painted[0]["heatmaps"]
    assert own["heatmaps"] is x
    out2 = twice["heatmaps"]
    assert out2.shape == (2, 17, 12, 8)
    means = x.flatten(2).mean(2)
    hidden = functional.linear(
        means, network.gate.conv1.weight[:, :, 0, 0], network.gate.conv1.bias
    )
    gates = functional.linear(
        hidden.clamp(min=0), network.gate.conv2.weight[:, :, 0, 0], network.gate.conv2.bias
    ).sigmoid()
    seen = out2[:, :, [0, 2, 4, 6, 8, 10]][..., [0, 2, 4, 6]]
    expected = (x * gates[:, :, None, None] + seen + network.keep(x)) / 3
    torch.testing.assert_close(last["heatmaps"], expected)  # "conv" starts as the mean


def test_a_slope_keeps_its_heights_on_the_aligned_grid() -> None:
    """A plane over out2's cells is read where DARK's coding puts the cells of out."""
    rows, columns = torch.arange(12.0)[:, None], torch.arange(8.0)
    seen = onto_grid((rows + 100 * columns).expand(1, 2, 12, 8), aligned=True)
    step = 7 / 3  # (2w - 1) / (w - 1), of the widths, along both axes
    y = ((torch.arange(6) - 2.5) * step + 5.5).clamp(0, 11)
    expected = y[:, None] + 100 * (torch.arange(4) * step)
    torch.testing.assert_close(seen, expected.expand(1, 2, 6, 4), rtol=1e-5, atol=1e-4)


def test_a_frozen_base_neither_learns_nor_counts() -> None:
    frozen = SimpleBaseline({"heatmaps": 17}, **SimpleBaseline.VARIANTS["demo"])
    network = PoseReNet(frozen, freeze_base=True)
    before = copy.deepcopy(frozen.state_dict())
    adam = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 1e-2)
    for _ in range(2):
        network.train()
        stages = network(torch.randn(2, 3, 64, 64))
        sum(stage["heatmaps"].square().mean() for stage in stages).backward()
        adam.step()
    assert network.training and network.lift.training and not frozen.training
    assert all(parameter.grad is None for parameter in frozen.parameters())
    assert all(
        parameter.grad is not None
        for name, parameter in network.named_parameters()
        if not name.startswith("base.")
    )
    assert all(torch.equal(value, before[key]) for key, value in frozen.state_dict().items())


def test_the_lift_starts_with_empty_heatmaps() -> None:
    torch.manual_seed(0)
    network = PoseReNet(painter())
    twice = network(torch.empty(2, 3, 256, 192))[-2]["heatmaps"]
    assert 0.005 < twice.mean() < 0.05


@pytest.mark.parametrize(
    ("base", "match"),
    [
        (nn.Conv2d(3, 3, 1), "Conv2d without `outputs`"),
        (Painter([{"tags": Output(17, 4)}], []), "paints tags, accepted: one that paints heatmaps"),
        (Painter([{"heatmaps": Output(17, 1)}], []), "at stride 1, accepted: an even stride"),
    ],
)
def test_what_cannot_be_refined_is_refused(base: nn.Module, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        PoseReNet(base)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"aggregation: given 'sum', accepted: mean, conv"):
        PoseReNet(painter(), aggregation="sum")


@pytest.mark.contract
@pytest.mark.parametrize(("refinement", "name"), REFINED)
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_stages_match_outputs(refinement: str, name: str, size: tuple[int, int]) -> None:
    network, (width, height) = build(name, refinement).eval(), size
    base = network.base
    assert network.outputs[: len(base.outputs)] == base.outputs
    assert set(network.outputs[-1]) == set(base.outputs[-1])
    assert network.stride_divisor == base.stride_divisor
    with torch.no_grad():
        stages = network(torch.zeros(2, 3, height, width))
    shapes = [{f: tuple(t.shape) for f, t in stage.items()} for stage in stages]
    assert shapes == [
        {f: (2, o.channels, height // o.stride, width // o.stride) for f, o in stated.items()}
        for stated in network.outputs
    ]
    last, twice = network.outputs[-1]["heatmaps"], network.outputs[-2]["heatmaps"]
    assert (twice.channels, 2 * twice.stride) == last


@pytest.mark.parametrize(("refinement", "name"), REFINED)
def test_heads_and_trunk_are_those_of_the_base(refinement: str, name: str) -> None:
    network = build(name, refinement)
    trunk = [k for k in network.state_dict() if not k.startswith(network.HEADS)]
    base = [k for k in network.base.state_dict() if not k.startswith(network.base.HEADS)]
    assert trunk == [f"base.{key}" for key in base]


@pytest.mark.contract
@pytest.mark.parametrize(("refinement", "name"), REFINED)
@pytest.mark.parametrize("aligned", [False, True])
def test_every_parameter_gets_a_finite_gradient_in_bf16(
    refinement: str, name: str, aligned: bool
) -> None:
    network = build(name, refinement, aligned=aligned).to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 64, 96).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        stages = network(images)
    sum(tensor.float().square().mean() for tensor in painted(stages)).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} is not used"
        assert parameter.grad.isfinite().all(), key


@pytest.mark.full
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("variant", OPTIONS)
def test_compiles_and_exports(variant: str, aligned: bool) -> None:
    network = build("simple_baseline", variant=variant, aligned=aligned).eval()
    images = torch.randn(2, 3, 64, 64)
    compiled = torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)
    batch = {0: torch.export.Dim("batch", min=1)}
    exported = torch.export.export(network, (images,), dynamic_shapes=(batch,)).module()
    more = torch.randn(3, 3, 64, 64)
    for given, expected in [(compiled(images), network(images)), (exported(more), network(more))]:
        for one, other in zip(painted(given), painted(expected), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.contract
def test_refines_one_batch() -> None:
    """After some steps the refined heatmaps, at both sizes, are near what they are to be."""
    torch.manual_seed(0)
    coarse = functional.interpolate(torch.rand(4, 17, 4, 4), size=(16, 16), mode="bicubic")
    coarse = coarse.clamp(0, 1) ** 4
    fine = functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    network, loss = build("simple_baseline"), LOSSES["keypoint_mse"]()
    adam, images, losses = (
        torch.optim.Adam(network.parameters(), 2e-3),
        torch.randn(4, 3, 64, 64),
        [],
    )
    for _ in range(120):
        stages = [stage["heatmaps"] for stage in network(images)]
        parts = [
            loss(s, t, torch.ones(4, 1, 1, 1))
            for s, t in zip(stages, [coarse, fine, coarse], strict=True)
        ]
        adam.zero_grad()
        sum(parts).backward()
        adam.step()
        losses.append([part.item() for part in parts])
    for first, last in zip(losses[0], losses[-1], strict=True):
        assert last < 0.25 * first


def test_the_base_learns_and_keeps_its_names() -> None:
    base = SimpleBaseline({"heatmaps": 17}, **SimpleBaseline.VARIANTS["demo"])
    names = set(base.state_dict())
    network: Any = PoseReNet(base)
    assert {k.removeprefix("base.") for k in network.state_dict() if k.startswith("base.")} == names
