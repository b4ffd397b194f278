"""CA-HRNet: HRNet whose basic blocks know where along each axis they look.

Wu et al.: High-resolution Human Pose Estimation Based on Location Awareness, 2022. Attention:
Hou, Zhou, Feng: Coordinate Attention for Efficient Mobile Network Design, CVPR 2021,
arXiv:2103.02907. The network around it is `hrnet.HRNet`, with the same keys and `ca.*` beside.

  x ---> 3x3, BN, ReLU ---> 3x3, BN ---> attention ---> + x ---> ReLU       all of `width` C
                                             |
       .-------------------------------------'
       +--> mean over W: C x h x 1 --.                                     .--> 1x1, sigmoid: a_h
       |                             +--> 1x1 C -> m, BN, h-swish -> split +
       +--> mean over H: C x w x 1 --'    m = max(8, C // reduction)       '--> 1x1, sigmoid: a_w
       `--> y ------------------------------------------------------------> y * a_h * a_w

  In all 104 basic blocks of stages 2 to 4 (strides 4 to 32); stem, layer1, head as in HRNet.

  variant  C   options                params      exact Gi at 256x192  COCO val AP (see below)
  w32      32                         28,791,537  7.126 (384x288: 16.028)  76.5 (HRNet: 74.4)
  w32      32  reduction=16           28,865,553
  w32      32  attentions=2           29,046,961  7.131
  w48      48                         64,033,073  14.623
  demo     16  few, thin blocks for tests and drawn people, from scratch ("kaiming" init)

76.5 equals plain HRNet-W32 from annotated boxes, and 74.4 is its number from detected ones: the
paper's gain may be one of protocol. Decided where it is silent: one attention per block, before
the sum (it speaks of several: attentions=2 puts one after each convolution); reduction 32; gates
that start at a half each, so that every residual starts at a quarter over the weights of an HRNet
(`gate_bias`: anywhere else).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Fields, Output
from models.hrnet import VARIANTS as TRUNKS
from models.hrnet import BasicBlock, HRNetTrunk
from models.layers import check_channels, check_counts, initialise, split_fields
from models.refusal import refusal


class CoordinateAttention(nn.Module):
    """y [B, C, h, w] -> y * a_h [B, C, h, 1] * a_w [B, C, 1, w], gates in (0, 1)."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        narrow = max(8, width // reduction)
        self.conv1 = nn.Conv2d(width, narrow, 1)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv_h = nn.Conv2d(narrow, width, 1)
        self.conv_w = nn.Conv2d(narrow, width, 1)

    def forward(self, y: Tensor) -> Tensor:
        h, w = y.shape[2:]
        rows, columns = y.mean(3, keepdim=True), y.mean(2, keepdim=True).transpose(2, 3)
        z = torch.cat([rows, columns], dim=2)  # [B, C, h + w, 1]
        z = functional.hardswish(self.bn1(self.conv1(z)))
        rows, columns = z.split([h, w], dim=2)
        a_h = self.conv_h(rows).sigmoid()
        a_w = self.conv_w(columns.transpose(2, 3)).sigmoid()
        return y * a_h * a_w


class CABlock(BasicBlock):
    """HRNet's basic block with an attention before the sum and, of two, one between."""

    def __init__(self, width: int, reduction: int, attentions: int) -> None:
        super().__init__(width)
        two = attentions == 2
        self.ca_between = CoordinateAttention(width, reduction) if two else nn.Identity()
        self.ca = CoordinateAttention(width, reduction)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.ca_between(self.bn1(self.conv1(x))))
        y = self.ca(self.bn2(self.conv2(y)))
        return self.relu(y + x)


class CAHRNet(HRNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> fields at stride 4.

    Options: those of `HRNetTrunk`; `reduction`: C / m; `attentions` per block: 1 or 2;
    `gate_bias`: where the gates start, sigmoid of it (0: all at a half, which quarters every
    residual; 4: almost open, nearly the HRNet whose weights were loaded); `init`: "small_normal"
    (HRNet's) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = TRUNKS
    HEADS = ("final_layer",)  # the rest is the trunk
    FRESH = ("*.ca.*", "*.ca_between.*")  # in no HRNet file

    def __init__(
        self,
        channels: dict[str, int],
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        bottlenecks: int = 4,
        reduction: int = 32,
        attentions: int = 1,
        gate_bias: float = 0.0,
        init: str = "small_normal",
    ) -> None:
        check_channels(channels)
        check_counts("reduction", (reduction,), 1)
        if attentions not in (1, 2):
            raise refusal("attentions", given=attentions, accepted="1, 2")

        def block(width: int) -> nn.Module:
            return CABlock(width, reduction, attentions)

        super().__init__(width, modules, blocks, stem, bottlenecks, block)
        self.outputs = [{name: Output(count, 4) for name, count in channels.items()}]
        self.channels = dict(channels)
        self.final_layer = nn.Conv2d(width, sum(channels.values()), 1)
        initialise(self, init, painters=[self.final_layer])
        start_gates(self, gate_bias)

    def forward(self, images: Tensor) -> list[Fields]:
        return [split_fields(self.final_layer(self.trunk(images)), self.channels)]


def start_gates(network: nn.Module, bias: float) -> None:
    for module in network.modules():
        if isinstance(module, CoordinateAttention):
            for gate in (module.conv_h, module.conv_w):
                assert gate.bias is not None
                nn.init.constant_(gate.bias, bias)
