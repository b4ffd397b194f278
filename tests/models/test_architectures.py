"""Every architecture on the menu keeps the contract; a new one is tested by standing there."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from models.menus import ARCHITECTURES, LOSSES
from tests.worlds import families

pytestmark = pytest.mark.contract

NAMES = sorted(ARCHITECTURES)
ONE_FAMILY = [name for name in NAMES if len(ARCHITECTURES[name].FIELDS) > 1]
VARIANTS = [(name, variant) for name in NAMES for variant in ARCHITECTURES[name].VARIANTS]


def build(name: str, variant: str = "demo", channels: dict[str, int] | None = None) -> nn.Module:
    torch.manual_seed(0)
    channels = channels or families.channels(name)
    return ARCHITECTURES[name](channels, **ARCHITECTURES[name].VARIANTS[variant])


def painted(stages: list[dict[str, Tensor]]) -> list[tuple[str, Tensor]]:
    return [(field, tensor) for stage in stages for field, tensor in stage.items()]


@cache
def shapes_only(name: str, variant: str) -> nn.Module:
    with torch.device("meta"):
        return ARCHITECTURES[name](families.channels(name), **ARCHITECTURES[name].VARIANTS[variant])


def check_shapes(
    stages: list[dict[str, Tensor]], network: nn.Module, batch: int, size: tuple[int, int]
) -> None:
    assert len(stages) == len(network.outputs) >= 1
    for stage, stated in zip(stages, network.outputs, strict=True):
        shapes = {field: tuple(tensor.shape) for field, tensor in stage.items()}
        assert shapes == {f: (batch, *output.shape(size)) for f, output in stated.items()}


@pytest.mark.parametrize("name", NAMES)
def test_stages_match_outputs(name: str) -> None:
    """Those of full size in `test_full_sizes_run`: a pass without data takes longer than one."""
    network = shapes_only(name, "demo")
    with torch.no_grad():
        stages = network(torch.empty(2, 3, 256, 192, device="meta"))
    check_shapes(stages, network, 2, (192, 256))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strides", [(1, 1), (3, 5), (7, 2)])
def test_any_size_that_the_stride_allows(name: str, strides: tuple[int, int]) -> None:
    network = shapes_only(name, "demo")
    width, height = (network.stride_divisor * n for n in strides)
    network.eval()  # one cell per channel has no statistics
    with torch.no_grad():
        stages = network(torch.empty(1, 3, height, width, device="meta"))
    check_shapes(stages, network, 1, (width, height))


@pytest.mark.parametrize(("name", "variant"), [pair for pair in VARIANTS if pair[1] != "demo"])
def test_full_sizes_run(name: str, variant: str) -> None:
    """With weights that only have to be numbers: drawing them is what takes the time."""
    network = copy.deepcopy(shapes_only(name, variant)).to_empty(device="cpu").eval()
    for key, value in network.state_dict().items():
        value.fill_(1.0 if key.endswith("running_var") else 0.001)
    with torch.no_grad():
        stages = network(torch.randn(1, 3, 64, 128))
    check_shapes(stages, network, 1, (128, 64))
    assert all(tensor.isfinite().all() for _, tensor in painted(stages))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONE_FAMILY])
def test_every_field_of_channels_is_painted(name: str) -> None:
    network = build(name, channels={"heatmaps": 3, "tags": 5})
    stages = network.eval()(torch.zeros(1, 3, 64, 64))
    assert {field: tensor.shape[1] for field, tensor in stages[-1].items()} == {
        "heatmaps": 3,
        "tags": 5,
    }


@pytest.mark.parametrize("name", ONE_FAMILY)
def test_channels_of_another_family_are_refused(name: str) -> None:
    fields = ARCHITECTURES[name].FIELDS
    others = ({"heatmaps": 17}, {"heatmaps": 17, "tags": 17}, {"heatmaps": 19, "pafs": 38})
    for channels in others:
        if set(channels) != set(fields):
            with pytest.raises(ValueError, match=rf"channels: given .*{', '.join(fields)}.*codec"):
                ARCHITECTURES[name](channels)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_demo_overfits_one_batch(name: str) -> None:
    network = build(name, channels=families.channels(name, keypoints=8))
    images, targets = torch.randn(4, 3, 64, 64), []
    for stage in network.outputs:
        targets.append({f: peaks(4, *o, size=(64, 64)) for f, o in stage.items()})
    adam, loss = torch.optim.Adam(network.parameters(), 2e-3), LOSSES["keypoint_mse"]()
    losses = []
    for _ in range(80):
        of_stages = [
            sum(loss(stage[field], wanted[field], torch.ones(4, 1, 1, 1)) for field in wanted)
            for stage, wanted in zip(network(images), targets, strict=True)
        ]
        adam.zero_grad()
        sum(of_stages).backward()
        adam.step()
        losses.append(of_stages[-1].item())  # coarse first stages of a cascade cannot
        if losses[-1] < 0.1 * losses[0]:
            break
    assert losses[-1] < 0.1 * losses[0]


def peaks(batch: int, channels: int, stride: int, size: tuple[int, int]) -> Tensor:
    """One Gaussian of sigma 2 cells at a random place of every map."""
    w, h = size[0] // stride, size[1] // stride
    at = torch.rand(batch, channels, 2, 1, 1) * torch.tensor([w, h]).view(2, 1, 1)
    x, y = torch.arange(w).view(1, 1, 1, w), torch.arange(h).view(1, 1, h, 1)
    return torch.exp(-((x - at[:, :, 0]) ** 2 + (y - at[:, :, 1]) ** 2) / 8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_parameter_gets_a_finite_gradient(
    name: str, precision: str, layout: torch.memory_format
) -> None:
    network = build(name).to(memory_format=layout)
    images = torch.randn(2, 3, 64, 96).to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        stages = network(images)
    sum(tensor.float().square().mean() for _, tensor in painted(stages)).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{key} is not used"
        assert parameter.grad.isfinite().all(), key
    assert any(parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_channels_last_paints_the_same(name: str) -> None:
    network, images = build(name).eval(), torch.randn(2, 3, 64, 96)
    plain = painted(network(images))
    turned = copy.deepcopy(network).to(memory_format=torch.channels_last)
    other = painted(turned(images.to(memory_format=torch.channels_last)))
    for (_, expected), (_, given) in zip(plain, other, strict=True):
        rounding = 1e-5 * max(1.0, expected.abs().max().item())
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=rounding)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_compiles_without_a_graph_break(name: str) -> None:
    network, images = build(name), torch.randn(2, 3, 64, 64)
    compiled = torch.compile(copy.deepcopy(network), backend="aot_eager", fullgraph=True)
    for (_, expected), (_, given) in zip(
        painted(network(images)), painted(compiled(images)), strict=True
    ):
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_exports_for_any_batch_size(name: str) -> None:
    network = build(name).eval()
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(network, (torch.randn(2, 3, 64, 96),), dynamic_shapes=(batch,))
    exported = program.module()
    for size in (1, 5):
        images = torch.randn(size, 3, 64, 96)
        pairs = zip(painted(network(images)), painted(exported(images)), strict=True)
        for (field, expected), (exported_field, given) in pairs:
            assert exported_field == field
            torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_odd_size_is_refused(name: str) -> None:
    network = build(name)
    with pytest.raises(ValueError, match=rf"multiples of {network.stride_divisor}.*input_size"):
        network(torch.zeros(1, 3, 64, 65))


@pytest.mark.parametrize("name", NAMES)
def test_weights_depend_on_the_seed_only(name: str) -> None:
    first, second = build(name).state_dict(), build(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [{}, {"heatmaps": 0}])
def test_channels_without_any_are_refused(name: str, channels: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="channels: given"):
        ARCHITECTURES[name](channels)
