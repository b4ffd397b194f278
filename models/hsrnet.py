"""HSRNet: a ResNet that stops halving at stride 16 and looks wide by dilation instead.

Wang et al.: Multiperson Pose Estimation with Deep High Spatial Resolution and Multiscale
Features, 2021. Trunk: Li et al.: DetNet: A Backbone Network for Object Detection, ECCV 2018,
arXiv:1804.06215, whose names (`layer4`, `layer5`, `extra_conv`) are those of
github.com/guoruoqian/DetNet_pytorch.

  images  stem     layer1  layer2  layer3  layer4       layer5       deconv_layers    final_layer
          7x7 s2,  ResNet bottlenecks      3 dilated    3 dilated    2 x transposed   1x1 with
          pool s2                          bottlenecks  bottlenecks  k x k s2, BN,    bias
                                           (C D D)      (C D D)      ReLU
  3 ----> 64 ----> 256 --> 512 --> 1024 -> 1024 ------> 1024 ------> 256 --> 256 ---> heatmaps K
  stride  4        4       8       16      16           16           8       4        4
  D: 1x1 to 256, 3x3 of dilation 2, 1x1 to 1024, + x;  C: the same with a 1x1 on the shortcut

  variant  layers   k  params      exact Gi, HR Gi at 256x192  COCO val AP (detector boxes)
  59       3 4 6    4  22,595,921   6.073, 10.573              71.4 (384x288: 73.2)
  110      3 4 23   4  41,588,049   9.460, 13.960              71.8
  161      3 8 36   4  57,231,697  12.847, 17.347              72.6
  59_k2    3 4 6    2  18,663,761   4.948,  6.073              70.9
  59_k3    3 4 6    3  20,302,161   5.417,  7.948              71.2
  wide     3 4 6    4  50,536,785  11.065, 17.815              layer4, layer5: planes 512
  demo     1 1 1    4  a quarter wide, for tests and drawn people ("kaiming" init)

HR Gi counts a deconvolution of stride 2 four times (see cost.py); the paper prints no cost. It says
that HSRNet has more parameters than its ResNet, which only `wide` has, and that complexity stays
almost the same, which only planes of 256 give: decided for DetNet's, whose weights it links.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from models.contracts import Fields, Output
from models.layers import (
    Bottleneck,
    ResNetTrunk,
    check_channels,
    check_counts,
    check_input,
    initialise,
    split_fields,
)
from models.refusal import refusal
from models.simple_baseline import DECONV_PADDING, deconvolution


class DilatedBottleneck(nn.Module):
    """Block D, or C where it `projects`: [B, inputs, h, w] -> [B, 4 * planes, h, w]."""

    def __init__(self, inputs: int, planes: int, projects: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=2, dilation=2, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.extra_conv: nn.Module = nn.Identity()
        if projects:
            self.extra_conv = projection(inputs, 4 * planes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.extra_conv(x))


def projection(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(narrow, nn.BatchNorm2d(outputs))


def dilated_stage(
    inputs: int,
    planes: int,
    count: int,
    block: Callable[[int, int, bool], nn.Module] = DilatedBottleneck,
) -> nn.Sequential:
    """Block C, then `count` - 1 blocks D."""
    first = block(inputs, planes, True)
    return nn.Sequential(first, *(block(4 * planes, planes, False) for _ in range(count - 1)))


class HSRTrunk(ResNetTrunk):
    """Images [B, 3, H, W] -> [B, 4 * `dilated_planes`, H / 16, W / 16].

    `layers`: blocks of layer1 to layer3; `width`: channels of the stem, the planes of layer1;
    `dilated_planes`, `dilated_blocks`: of layer4 and layer5 each; `block`, `dilated_block`: where
    a paper has its own.
    """

    stride_divisor = 16

    def __init__(
        self,
        layers: Sequence[int],
        width: int,
        dilated_planes: int,
        dilated_blocks: int,
        block: Callable[[int, int, int], nn.Module] = Bottleneck,
        dilated_block: Callable[[int, int, bool], nn.Module] = DilatedBottleneck,
    ) -> None:
        check_counts("layers", layers, 3)
        sizes = (width, dilated_planes, dilated_blocks)
        check_counts("width, dilated_planes, dilated_blocks", sizes, 3)
        super().__init__(layers, width, block)
        self.layer4 = dilated_stage(16 * width, dilated_planes, dilated_blocks, dilated_block)
        self.layer5 = dilated_stage(
            4 * dilated_planes, dilated_planes, dilated_blocks, dilated_block
        )

    def trunk(self, images: Tensor) -> Tensor:
        check_input(images, self.stride_divisor)
        x: Tensor = self.layer5(self.layer4(self.pyramid(images)[-1]))
        return x


def deconvolutions(inputs: int, width: int, kernel: int) -> nn.Sequential:
    """[B, inputs, h, w] -> [B, width, 4h, 4w]."""
    check_counts("deconv_width", (width,), 1)
    if kernel not in DECONV_PADDING:
        raise refusal("deconv_kernel", given=kernel, accepted="2, 3, 4")
    return nn.Sequential(
        *deconvolution(inputs, width, kernel), *deconvolution(width, width, kernel)
    )


DEMO = {"layers": (1, 1, 1), "width": 16, "dilated_planes": 32, "dilated_blocks": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "59": {"layers": (3, 4, 6)},
    "110": {"layers": (3, 4, 23)},
    "161": {"layers": (3, 8, 36)},
    "59_k2": {"layers": (3, 4, 6), "deconv_kernel": 2},
    "59_k3": {"layers": (3, 4, 6), "deconv_kernel": 3},
    "wide": {"layers": (3, 4, 6), "dilated_planes": 512},
    "demo": {**DEMO, "deconv_width": 32, "init": "kaiming"},
}


class HSRNet(HSRTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 16 -> fields at stride 4.

    Options: those of `HSRTrunk`; `deconv_width`, `deconv_kernel` (2, 3 or 4): of the
    deconvolutions; `init`: "small_normal" (SimpleBaseline's) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("deconv_layers", "final_layer")  # the rest is the trunk
    FRESH = ("layer4.*", "layer5.*")  # in no ResNet, but in DetNet

    def __init__(
        self,
        channels: dict[str, int],
        layers: Sequence[int] = (3, 4, 6),
        width: int = 64,
        dilated_planes: int = 256,
        dilated_blocks: int = 3,
        deconv_width: int = 256,
        deconv_kernel: int = 4,
        init: str = "small_normal",
    ) -> None:
        check_channels(channels)
        super().__init__(layers, width, dilated_planes, dilated_blocks)
        self.outputs = [{name: Output(count, 4) for name, count in channels.items()}]
        self.channels = dict(channels)
        self.deconv_layers = deconvolutions(4 * dilated_planes, deconv_width, deconv_kernel)
        self.final_layer = nn.Conv2d(deconv_width, sum(channels.values()), 1)
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Fields]:
        x = self.deconv_layers(self.trunk(images))
        return [split_fields(self.final_layer(x), self.channels)]
