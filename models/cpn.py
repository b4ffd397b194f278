"""CPN: a pyramid that finds the easy keypoints, a second one that refines the hard ones.

Chen, Wang, Peng, Zhang, Yu, Sun: Cascaded Pyramid Network for Multi-Person Pose Estimation, CVPR
2018, arXiv:1711.07319. The authors' code is TensorFlow; the trunk here has torchvision's names.

  images   ResNet   GlobalNet                                   RefineNet
  3 -----> layer1   1x1 256 -> + --> 1x1 256, 3x3 K: stage 3    as it is -----------------.
  stride 4 |                   ^ x2, 1x1                                                  |
         8 layer2   1x1 256 -> + --> 1x1 256, 3x3 K: stage 2    1 bottleneck, enlarged --.|
           |                   ^ x2, 1x1                                                 vv
        16 layer3   1x1 256 -> + --> 1x1 256, 3x3 K: stage 1    2 bottlenecks, ---> concat 1024
           |                   ^ x2, 1x1                          enlarged              |
        32 layer4   1x1 256 ---+---> 1x1 256, 3x3 K: stage 0    3 bottlenecks, --^  bottleneck
                                                                  enlarged          256, 3x3 K:
  every stage is enlarged to stride 4; BN after every convolution                   stage 4

  variant  layers    params      exact Gi at 256x192, 384x288   COCO val AP (detector boxes)
  r50      3 4 6 3   27,406,826   6.813, 15.330                 68.6, 70.6; OHKM 69.4, 71.6
  r101     3 4 23 3  46,398,954  10.200, 22.950
  demo     1 1 1 1   a quarter wide, for tests and drawn people ("kaiming" init)

OHKM, the loss of the 8 worst keypoints on the last stage, is the loss's: `top_k` of the recipe.
Departures: no stage has a target of its own width (the paper's narrow with the level); sizes are
matched without aligned corners; the last BN of a stage starts at 0.1, not 1. The GFLOPs of
HRNet's table (6.2) are of another count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Fields, Output
from models.layers import (
    ResNetTrunk,
    check_channels,
    check_counts,
    check_input,
    conv_bn_relu,
    initialise,
    split_fields,
)
from models.refusal import refusal

START_SPREAD = 0.1  # of what is painted first: heatmaps are almost empty, BN would start at 1
LEVELS = 4  # strides 4, 8, 16, 32; index 0 is the finest throughout


def conv_bn(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    without_relu: nn.Sequential = conv_bn_relu(inputs, outputs, kernel)[:2]  # type: ignore[assignment]
    return without_relu


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """[B, C, h, w] bilinearly to the height and width of `like`."""
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class RefineBottleneck(nn.Module):
    """[B, inputs, h, w] -> [B, 2 * planes, h, w], always with a 1x1 on the shortcut."""

    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn_relu(inputs, planes, 1),
            conv_bn_relu(planes, planes, 3),
            conv_bn(planes, 2 * planes, 1),
        )
        self.downsample = conv_bn(inputs, 2 * planes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) + self.downsample(x)).relu()


class GlobalNet(nn.Module):
    """Levels of a trunk, finest first -> ([B, width, h, w] of each, what each paints).

    What is painted comes coarsest first, each [B, painted, h, w] of the finest level.
    """

    def __init__(self, inputs: Sequence[int], width: int, painted: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv_bn_relu(n, width, 1) for n in inputs)
        self.upsamples = nn.ModuleList(conv_bn(width, width, 1) for _ in inputs[1:])
        self.predicts = nn.ModuleList(
            nn.Sequential(
                conv_bn_relu(width, width, 1), nn.Conv2d(width, painted, 3, 1, 1, bias=False)
            )
            for _ in inputs
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(painted) for _ in inputs)

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        features = [lateral(x) for lateral, x in zip(self.laterals, levels, strict=True)]
        for i in reversed(range(len(features) - 1)):
            above = self.upsamples[i](enlarge(features[i + 1], like=features[i]))
            features[i] = features[i] + above
        drawn = [predict(x) for predict, x in zip(self.predicts, features, strict=True)]
        painted = [norm(enlarge(x, drawn[0])) for norm, x in zip(self.norms, drawn, strict=True)]
        return features, painted[::-1]


class RefineNet(nn.Module):
    """[B, width, h, w] of every level, finest first -> [B, painted, h, w] of the finest."""

    def __init__(self, levels: int, width: int, painted: int) -> None:
        super().__init__()
        self.cascade = nn.ModuleList(
            nn.Sequential(*(RefineBottleneck(width, width // 2) for _ in range(i)))
            for i in range(levels)
        )
        self.merge = RefineBottleneck(levels * width, width // 2)
        self.predict = conv_bn(width, painted, 3)

    def forward(self, features: list[Tensor]) -> Tensor:
        refined = [blocks(x) for blocks, x in zip(self.cascade, features, strict=True)]
        merged = self.merge(torch.cat([enlarge(x, refined[0]) for x in refined], dim=1))
        painted: Tensor = self.predict(merged)
        return painted


VARIANTS: dict[str, dict[str, Any]] = {
    "r50": {"layers": (3, 4, 6, 3)},
    "r101": {"layers": (3, 4, 23, 3)},
    "demo": {"layers": (1, 1, 1, 1), "width": 16, "pyramid_width": 32, "init": "kaiming"},
}


class CPN(ResNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 4 -> five stages of fields, stride 4.

    Stages 0 to 3 are GlobalNet's from coarse to fine, the last is RefineNet's. `layers`: blocks
    of layer1 to layer4; `width`: channels of the stem; `pyramid_width`: of both pyramids, even;
    `init`: "small_normal" (what stands on a pretrained trunk) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("global_net", "refine_net")  # the rest is the trunk
    stride_divisor = 4

    def __init__(
        self,
        channels: dict[str, int],
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        pyramid_width: int = 256,
        init: str = "small_normal",
    ) -> None:
        check_channels(channels)
        check_counts("layers", layers, LEVELS)
        check_counts("width, pyramid_width", (width, pyramid_width), 2)
        if pyramid_width % 2:
            raise refusal("pyramid_width", given=pyramid_width, accepted="an even number")
        super().__init__(layers, width)
        stage = {name: Output(count, 4) for name, count in channels.items()}
        self.outputs = [dict(stage) for _ in range(LEVELS + 1)]
        self.channels, painted = dict(channels), sum(channels.values())
        inputs = [4 * width * 2**i for i in range(LEVELS)]
        self.global_net = GlobalNet(inputs, pyramid_width, painted)
        self.refine_net = RefineNet(LEVELS, pyramid_width, painted)
        initialise(self, init)
        for norm in (*self.global_net.norms, self.refine_net.predict[1]):
            nn.init.constant_(norm.weight, START_SPREAD)

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        features, painted = self.global_net(self.pyramid(images))
        painted.append(self.refine_net(features))
        return [split_fields(stage, self.channels) for stage in painted]
