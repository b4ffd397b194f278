"""OpenPose in its 2017 form: two branches of large convolutions, refined stage after stage.

Cao, Simon, Wei, Sheikh: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields,
CVPR 2017, arXiv:1611.08050; the trunk has torchvision's VGG-19 names, the rest our own.

  images  features (VGG-19's first ten)           reduce      stages.0, two branches
          3x3 each, 3 x 2x2 pool                  2 x 3x3     3 x 3x3, 1x1 to 512, 1x1
  3 ----> 64 x2 -> 128 x2 -> 256 x4 -> 512 x2 --> 256, 128 -> 128 +---> pafs, heatmaps -> stage 0
  stride  1        2         4         8          8           8   |       |      |
                                                              128 +------ concat-+
                                                                  | stages.1, two branches
                                                                  | 5 x 7x7, 1x1, 1x1
                                                                  +---> pafs, heatmaps -> stage 1
                                                                  `---> ... stages.2 ...
  Everything has a bias; a ReLU stands between any two, there is no BatchNorm.

  variant   stages  params      exact G at 368  COCO test-dev AP
  stages_3  3       25,956,971   80.178
  stages_6  6       52,311,446  135.934         61.8 (several scales, refined by another network)
  demo      2       thin, for tests and drawn people; with BatchNorm, as nothing is pretrained

The often quoted "160 GFLOPs" of three stages are two per multiply-accumulate. Departure: weights
start as He et al. say, what paints near 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.contracts import Fields, Network, Output
from models.layers import check_counts, check_fields, check_input, initialise

# Shapes: everything after the third pool is [B, channels, H / 8, W / 8].
FIELDS = ("pafs", "heatmaps")  # in the order in which the next stage sees them
VGG19 = (64, 64, 128, 128, 256, 256, 256, 256, 512, 512)
POOLS = (2, 4, 8)  # a pool stands before the third, the fifth and the ninth convolution


def conv_relu(inputs: int, outputs: int, kernel: int, norm: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    between = [nn.BatchNorm2d(outputs)] if norm else []
    return [convolution, *between, nn.ReLU(inplace=True)]


def vgg(widths: Sequence[int], norm: bool) -> nn.Sequential:
    """The first ten convolutions of VGG-19: [B, 3, H, W] -> [B, widths[-1], H / 8, W / 8]."""
    layers: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(pairwise((3, *widths))):
        layers += [nn.MaxPool2d(2)] if i in POOLS else []
        layers += conv_relu(inputs, outputs, 3, norm)
    return nn.Sequential(*layers)


def branch(
    widths: Sequence[int], kernels: Sequence[int], painted: int, norm: bool
) -> nn.Sequential:
    """Convolutions widths[0] -> widths[1] -> ..., each with its kernel, and a 1x1 that paints."""
    layers: list[nn.Module] = []
    for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True):
        layers += conv_relu(inputs, outputs, kernel, norm)
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], painted, 1))


class Stage(nn.Module):
    """Each field by its own branch from the same features."""

    def __init__(
        self, widths: Sequence[int], kernels: Sequence[int], channels: dict[str, int], norm: bool
    ) -> None:
        super().__init__()
        self.pafs = branch(widths, kernels, channels["pafs"], norm)
        self.heatmaps = branch(widths, kernels, channels["heatmaps"], norm)

    def forward(self, x: Tensor) -> Fields:
        return {"pafs": self.pafs(x), "heatmaps": self.heatmaps(x)}


VARIANTS: dict[str, dict[str, Any]] = {
    "stages_3": {"stages": 3},
    "stages_6": {"stages": 6},
    "demo": {
        "stages": 2,
        "trunk": (8, 8, 16, 16, 24, 24, 24, 24, 32, 32),
        "width": 32,
        "hidden": 64,
        "norm": True,
    },
}


class OpenPose(Network):
    """Images [B, 3, H, W], normalised, H and W multiples of 8 -> fields at stride 8, per stage.

    `stages`: 1 or more; `trunk`: channels of the ten convolutions; `width`: of features and
    branches; `hidden`: before the last 1x1 of the first stage; `norm`: BatchNorm before every
    ReLU; `init`: "kaiming", "torch" or "small_normal".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("reduce", "stages")  # the rest is the trunk
    FIELDS: ClassVar[tuple[str, ...]] = ("heatmaps", "pafs")
    stride_divisor = 8

    def __init__(
        self,
        channels: dict[str, int],
        stages: int = 6,
        trunk: Sequence[int] = VGG19,
        width: int = 128,
        hidden: int = 512,
        norm: bool = False,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        check_fields(channels, self.FIELDS)
        check_counts("trunk", trunk, len(VGG19))
        check_counts("stages, width, hidden", (stages, width, hidden), 3)
        self.outputs = [{f: Output(channels[f], 8) for f in FIELDS} for _ in range(stages)]
        self.features = vgg(trunk, norm)
        self.reduce = nn.Sequential(
            *conv_relu(trunk[-1], 2 * width, 3, norm), *conv_relu(2 * width, width, 3, norm)
        )
        built = [Stage([width] * 4 + [hidden], (3, 3, 3, 1), channels, norm)]
        seen = width + sum(channels.values())
        for _ in range(stages - 1):
            built.append(Stage([seen] + [width] * 6, (7, 7, 7, 7, 7, 1), channels, norm))
        self.stages = nn.ModuleList(built)
        initialise(self, init, [x[-1] for stage in built for x in (stage.pafs, stage.heatmaps)])

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        features = self.reduce(self.features(images))
        stages = [self.stages[0](features)]
        for stage in self.stages[1:]:
            stages.append(stage(torch.cat([features, *stages[-1].values()], dim=1)))
        return stages
