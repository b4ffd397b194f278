"""Ghost modules, their gates, and the blocks S1 and S2 made of them, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.ghost_blocks import Ghost, GhostBlock, GhostBottleneck, SqueezeExcitation


@pytest.mark.parametrize(("outputs", "kernel", "stride"), [(8, 3, 1), (7, 3, 2), (7, 1, 1)])
@pytest.mark.parametrize("relu", [False, True])
def test_half_of_a_ghost_comes_from_the_other_half(
    outputs: int, kernel: int, stride: int, relu: bool
) -> None:
    ghost = Ghost(3, outputs, kernel, stride, relu).eval()
    x = torch.randn(2, 3, 8, 8)
    painted, half = ghost(x), (outputs + 1) // 2
    assert tuple(painted.shape) == (2, outputs, 8 // stride, 8 // stride)
    torch.testing.assert_close(painted[:, :half], ghost.primary_conv(x))
    cheap = ghost.cheap_operation(painted[:, :half])[:, : outputs - half]
    torch.testing.assert_close(painted[:, half:], cheap)
    assert (painted.min() < 0).item() is not relu


@pytest.mark.parametrize("relu", [False, True])
def test_sums_may_be_negative_unless_asked(relu: bool) -> None:
    x = torch.randn(2, 8, 6, 6)
    s1 = GhostBlock(8, 4, depthwise=False, relu=relu).eval()
    s2 = GhostBottleneck(8, 16, 8, 1, 4, relu=relu).eval()
    for block in (s1, s2):
        y = block(x)
        total = block.ghost2(block.se(block.depthwise(block.ghost1(x)))) + x
        torch.testing.assert_close(y, total.relu() if relu else total)
        assert (y.min() < 0).item() is not relu


@pytest.mark.parametrize(("inputs", "stride", "layers"), [(8, 1, 0), (4, 1, 2), (8, 2, 4)])
def test_a_bottleneck_has_a_shortcut_where_the_shape_changes(
    inputs: int, stride: int, layers: int
) -> None:
    block = GhostBottleneck(inputs, 16, 8, stride, 4, relu=False)
    kinds = nn.Conv2d | nn.BatchNorm2d
    assert sum(isinstance(module, kinds) for module in block.shortcut.modules()) == layers
    assert tuple(block(torch.zeros(2, inputs, 8, 8)).shape) == (2, 8, 8 // stride, 8 // stride)


@pytest.mark.parametrize("opening", [torch.sigmoid, functional.hardsigmoid])
def test_the_gate_multiplies_every_channel(opening: Callable[[Tensor], Tensor]) -> None:
    gate = SqueezeExcitation(8, 2, opening)
    x = torch.randn(2, 8, 5, 5)
    hidden = gate.conv_reduce(x.mean((2, 3), keepdim=True)).clamp(min=0)
    ratio = opening(gate.conv_expand(hidden))
    torch.testing.assert_close(gate(x), x * ratio.expand_as(x))
    assert ((ratio > 0) & (ratio < 1)).all()


def test_without_reduction_there_is_no_gate() -> None:
    x = torch.randn(2, 8, 6, 6)
    gates = 0
    for reduction in (0, 4):
        s1 = GhostBlock(8, reduction, depthwise=False, relu=False)
        s2 = GhostBottleneck(8, 16, 8, 1, reduction, relu=False)
        for block in (s1, s2):
            assert block(x).shape == x.shape
            gates += sum(isinstance(module, SqueezeExcitation) for module in block.modules())
    assert gates == 2


@pytest.mark.parametrize(
    ("stride", "asked", "layers"), [(1, True, 1), (1, False, 0), (2, False, 1)]
)
def test_the_depthwise_of_a_bottleneck_may_go_where_it_brings_no_stride(
    stride: int, asked: bool, layers: int
) -> None:
    block = GhostBottleneck(8, 16, 8, stride, 0, relu=False, depthwise=asked)
    assert sum(isinstance(module, nn.Conv2d) for module in block.depthwise.modules()) == layers
    assert tuple(block(torch.zeros(2, 8, 8, 8)).shape) == (2, 8, 8 // stride, 8 // stride)
