"""Ghost modules and the blocks made of them: half of the channels come from the other half.

Han et al.: GhostNet, CVPR 2020, arXiv:1911.11907, names as in timm's `ghostnet_100`; gates after
Hu et al.: Squeeze-and-Excitation, CVPR 2018; S1 and S2 as Lite-HigherHRNet puts them together.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Ghost(nn.Module):
    """[B, inputs, h, w] -> [B, outputs, h / stride, w / stride]; `relu`: after both halves.

    Half of `outputs`, rounded up, by kernel x kernel, the rest from these by a 3x3 depthwise one.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        half = (outputs + 1) // 2
        self.outputs = outputs
        primary = nn.Conv2d(inputs, half, kernel, stride, kernel // 2, bias=False)
        cheap = nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False)
        self.primary_conv = nn.Sequential(primary, *_after(half, relu))
        self.cheap_operation = nn.Sequential(cheap, *_after(half, relu))

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary_conv(x)
        return torch.cat([x, self.cheap_operation(x)], dim=1)[:, : self.outputs]


def _after(width: int, relu: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU(inplace=True) if relu else nn.Identity()]


class SqueezeExcitation(nn.Module):
    """x [B, C, h, w] times a gate of C: `opening` of what the means of all channels say."""

    def __init__(
        self, width: int, hidden: int, opening: Callable[[Tensor], Tensor] = torch.sigmoid
    ) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(width, hidden, 1)
        self.conv_expand = nn.Conv2d(hidden, width, 1)
        self.opening = opening

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.opening(self.conv_expand(self.conv_reduce(means).relu()))


class GhostBlock(nn.Module):
    """S1: x -> ghost 3x3 -> [3x3 depthwise] -> [SE] -> ghost 3x3 -> + x, all at `width` channels.

    `reduction`: channels for each hidden one of SE, 0: without SE; `relu`: after the sum.
    """

    def __init__(self, width: int, reduction: int, depthwise: bool, relu: bool) -> None:
        super().__init__()
        self.ghost1 = Ghost(width, width, 3)
        self.depthwise = depthwise_bn(width, 1) if depthwise else nn.Identity()
        self.se = _gate(width, reduction)
        self.ghost2 = Ghost(width, width, 3, relu=False)
        self.after_sum = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.depthwise(self.ghost1(x)))
        both: Tensor = self.after_sum(self.ghost2(y) + x)
        return both


class GhostBottleneck(nn.Module):
    """S2: x -> ghost 1x1 to `mid` -> 3x3 depthwise -> [SE] -> ghost 1x1 -> + shortcut(x).

    `depthwise`: the 3x3 where it has no stride to bring, too; `reduction`, `relu`: as in S1.
    """

    def __init__(
        self,
        inputs: int,
        mid: int,
        outputs: int,
        stride: int,
        reduction: int,
        relu: bool,
        depthwise: bool = True,
    ) -> None:
        super().__init__()
        self.ghost1 = Ghost(inputs, mid, 1)
        self.depthwise: nn.Module = nn.Identity()
        if stride > 1 or depthwise:
            self.depthwise = depthwise_bn(mid, stride)
        self.se = _gate(mid, reduction)
        self.ghost2 = Ghost(mid, outputs, 1, relu=False)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            halve = depthwise_bn(inputs, stride) if stride > 1 else ()
            widen = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.shortcut = nn.Sequential(*halve, widen, nn.BatchNorm2d(outputs))
        self.after_sum = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.depthwise(self.ghost1(x)))
        both: Tensor = self.after_sum(self.ghost2(y) + self.shortcut(x))
        return both


def depthwise_bn(width: int, stride: int) -> nn.Sequential:
    """3x3 depthwise and BatchNorm."""
    convolution = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width))


def _gate(width: int, reduction: int) -> nn.Module:
    return SqueezeExcitation(width, max(1, width // reduction)) if reduction else nn.Identity()
