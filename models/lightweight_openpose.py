"""Lightweight OpenPose: part affinity fields from a MobileNet, refined by dilated 3x3 blocks.

Osokin: Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose, 2018,
arXiv:1811.12004; keys of github.com/Daniil-Osokin/lightweight-human-pose-estimation.pytorch.

  images  model: MobileNet v1 up to conv5_5        cpm          initial_stage
          3x3 s2, then 11 separable blocks         1x1, + 3     3 x 3x3, then per field
          (3x3 depthwise, 1x1), BatchNorm          separable,   1x1 to 512, 1x1
                                                   3x3
  3 ----> 32 -> 64 -> 128 -> 256 -> 512 ---------> 128 --+----> heatmaps, pafs ---> stage 0
  stride  2     2     4      8      8              8     |         |
          MobileNet's third halving is             128 --+- concat-+
          left out; the block after it                   |  refinement_stages.0: 5 x (1x1,
          dilates by 2 (d2)                              |  + 3x3, 3x3 d2), then per field
                                                         |  1x1, 1x1
                                                         +----> heatmaps, pafs ---> stage 1
                                                         `- ... refinement_stages.1, .2

  variant  refinement stages  params     exact G at 368  COCO val AP (one scale, no flip)
  r0       0                  2,483,065   5.488
  r1       1                  4,091,698   8.882          40.0 (trained with 3 stages)
  r2       2                  5,700,331  12.275
  r3       3                  7,308,964  15.669
  demo     1                  thin, for tests and drawn people ("kaiming" init)

A training file with three refinement stages fills a network with fewer: as pretrained weights,
whose report names what is left out, or whole, once the stages behind the last one are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.contracts import Fields, Network, Output
from models.layers import check_counts, check_fields, check_input, conv_bn_relu, initialise
from models.refusal import refusal

# Shapes: everything from the first 256 channels on is [B, channels, H / 8, W / 8].
FIELDS = ("heatmaps", "pafs")


def conv_relu(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    """With a bias, without BatchNorm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


def separable(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """MobileNet's block: 3x3 depthwise, BatchNorm, ReLU, 1x1, BatchNorm, ReLU."""
    depthwise = nn.Conv2d(
        inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False
    )  # fmt: skip
    norm = nn.BatchNorm2d(inputs)
    return nn.Sequential(
        depthwise, norm, nn.ReLU(inplace=True), *conv_bn_relu(inputs, outputs, 1)
    )  # fmt: skip


def separable_elu(width: int) -> nn.Sequential:
    """3x3 depthwise, ELU, 1x1, ELU, without biases or BatchNorm."""
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    return nn.Sequential(depthwise, nn.ELU(inplace=True), pointwise, nn.ELU(inplace=True))


def paint_layers(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """1x1 and ReLU, then the 1x1 that paints."""
    return nn.Sequential(
        conv_relu(inputs, width, 1), nn.Sequential(nn.Conv2d(width, outputs, 1))
    )  # fmt: skip


class Cpm(nn.Module):
    """Trunk features to `width` channels: the context that every stage sees."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.align = conv_relu(inputs, width, 1)
        self.trunk = nn.Sequential(*(separable_elu(width) for _ in range(3)))
        self.conv = conv_relu(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.align(x)
        context: Tensor = self.conv(x + self.trunk(x))
        return context


class RefinementBlock(nn.Module):
    """x -> 1x1 -> + (3x3, 3x3 dilated by 2)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.initial = conv_relu(inputs, width, 1)
        self.trunk = nn.Sequential(dilated(width, 1), dilated(width, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.initial(x)
        refined: Tensor = x + self.trunk(x)
        return refined


def dilated(width: int, dilation: int) -> nn.Sequential:
    """3x3 with a bias, BatchNorm, ReLU."""
    convolution = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))


class Stage(nn.Module):
    """Features through `trunk`, then each field by its own two 1x1."""

    def __init__(
        self, trunk: nn.Sequential, width: int, hidden: int, channels: dict[str, int]
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heatmaps = paint_layers(width, hidden, channels["heatmaps"])
        self.pafs = paint_layers(width, hidden, channels["pafs"])

    def forward(self, x: Tensor) -> Fields:
        x = self.trunk(x)
        return {"heatmaps": self.heatmaps(x), "pafs": self.pafs(x)}


def initial_stage(width: int, hidden: int, channels: dict[str, int]) -> Stage:
    return Stage(
        nn.Sequential(*(conv_relu(width, width) for _ in range(3))), width, hidden, channels
    )


def refinement_stage(width: int, channels: dict[str, int], blocks: int = 5) -> Stage:
    """Of the context and the fields that the stage before painted."""
    inputs = [width + sum(channels.values())] + [width] * (blocks - 1)
    trunk = nn.Sequential(*(RefinementBlock(count, width) for count in inputs))
    return Stage(trunk, width, width, channels)


def mobilenet_v1(widths: Sequence[int]) -> nn.Sequential:
    """Its first `len(widths)` layers, kept at stride 8."""
    blocks = [
        separable(inputs, outputs, stride=2 if i in (2, 4) else 1, dilation=2 if i == 7 else 1)
        for i, (inputs, outputs) in enumerate(pairwise(widths), 1)
    ]
    return nn.Sequential(conv_bn_relu(3, widths[0], 3, 2), *blocks)


class PafNetwork(Network):
    """Trunk features -> stages of heatmaps and part affinity fields at stride 8.

    What Lightweight OpenPose and those that only change its trunk share.
    """

    HEADS: tuple[str, ...] = ("cpm", "initial_stage", "refinement_stages")
    FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    stride_divisor = 8

    def _build_stages(
        self, inputs: int, width: int, hidden: int, channels: dict[str, int], refinements: int
    ) -> None:
        self.outputs = [
            {field: Output(channels[field], 8) for field in FIELDS} for _ in range(refinements + 1)
        ]
        self.cpm = Cpm(inputs, width)
        self.initial_stage = initial_stage(width, hidden, channels)
        self.refinement_stages = nn.ModuleList(
            refinement_stage(width, channels) for _ in range(refinements)
        )

    def painters(self) -> list[nn.Module]:
        """The convolutions that paint."""
        stages = [self.initial_stage, *self.refinement_stages]
        return [paint[1] for stage in stages for paint in (stage.heatmaps, stage.pafs)]

    def paint(self, x: Tensor) -> list[Fields]:
        context = self.cpm(x)
        stages = [self.initial_stage(context)]
        for stage in self.refinement_stages:
            stages.append(stage(torch.cat([context, *stages[-1].values()], dim=1)))
        return stages


MOBILENET = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512)
VARIANTS: dict[str, dict[str, Any]] = {
    "r0": {"refinements": 0},
    "r1": {"refinements": 1},
    "r2": {"refinements": 2},
    "r3": {"refinements": 3},
    "demo": {
        "refinements": 1,
        "mobilenet": (8, 16, 24, 24, 32, 32, 48, 48, 48, 48, 48, 48),
        "width": 48,
        "hidden": 64,
        "init": "kaiming",
    },
}


class LightweightOpenPose(PafNetwork):
    """Images [B, 3, H, W], normalised, H and W multiples of 8 -> fields at stride 8, per stage.

    `refinements`: refinement stages, 0 or more; `mobilenet`: channels of the trunk's 12 layers;
    `width`: of the context and the stages; `hidden`: before the 1x1 that paint, in the initial
    stage; `init`: "torch" (published), "kaiming" or "small_normal".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS

    def __init__(
        self,
        channels: dict[str, int],
        refinements: int = 1,
        mobilenet: Sequence[int] = MOBILENET,
        width: int = 128,
        hidden: int = 512,
        init: str = "torch",
    ) -> None:
        super().__init__()
        check_fields(channels, FIELDS)
        check_counts("mobilenet", mobilenet, len(MOBILENET))
        check_counts("width, hidden", (width, hidden), 2)
        check_refinements(refinements)
        self.model = mobilenet_v1(mobilenet)
        self._build_stages(mobilenet[-1], width, hidden, channels, refinements)
        initialise(self, init, self.painters())

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        return self.paint(self.model(images))


def check_refinements(given: int) -> None:
    if not isinstance(given, int) or given < 0:
        raise refusal("refinements", given=given, accepted="a whole number, 0 or more")
