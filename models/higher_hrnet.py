"""HigherHRNet: HRNet with a second, finer pyramid level, bottom-up; and HRNet without it.

Cheng, Xiao, Wang, Shi, Huang, Zhang: HigherHRNet: Scale-Aware Representation Learning for
Bottom-Up Human Pose Estimation, CVPR 2020, arXiv:1908.10357; keys of github.com/HRNet/HigherHRNet.
Bottom-up HRNet, the baseline there, is the same without `deconv_layers`.

  images   trunk of HRNet   final_layers.0
                            1x1 with bias
  3 -----> C ------+------> heatmaps K, tags K ----> stage 0                      stride 4
                   |            |
                   +--- concat -+
                          |      deconv_layers.0          final_layers.1
                          |      4x4 transposed s2,       1x1 with bias
                        C + 2K   then 4 basic blocks
                          `----> C ---------------------> heatmaps K ---> stage 1  stride 2

  network           variant  C  params      exact G, HR G at 512   COCO val AP (one scale, flip)
  hrnet_bottom_up   w32     32  28,536,674   40.782,  40.782       64.1 (test-dev)
  hrnet_bottom_up   w48     48  63,596,578   83.703,  83.703       not published
  higher_hrnet      w32     32  28,645,331   46.203,  47.864       67.1 (68.5 at 640)
  higher_hrnet      w48     48  63,827,139   95.660,  98.755       69.9 at 640
  both              demo    16  few, thin blocks for tests and drawn people ("kaiming" init)

The paper prints HR G, which counts the deconvolution four times (see cost.py). Its 38.9 for
bottom-up HRNet is 40.782e9 / 2^20 / 1000.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.contracts import Fields, Output
from models.hrnet import VARIANTS as TRUNKS
from models.hrnet import BasicBlock, Block, HRNetTrunk
from models.layers import check_counts, check_fields, initialise, split_fields

FIELDS = ("heatmaps", "tags")


def painters(width: int, channels: dict[str, int]) -> nn.ModuleList:
    """`final_layers`: C -> heatmaps and tags, C -> heatmaps alone."""
    both = sum(channels[field] for field in FIELDS)
    return nn.ModuleList([nn.Conv2d(width, both, 1), nn.Conv2d(width, channels["heatmaps"], 1)])


def deconvolution(inputs: int, width: int, blocks: int, block: Block = BasicBlock) -> nn.Sequential:
    """[B, inputs, h, w] -> [B, width, 2h, 2w]; each block is wrapped once more, for the keys."""
    double = nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=False)
    first = nn.Sequential(double, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    return nn.Sequential(first, *(nn.Sequential(block(width)) for _ in range(blocks)))


def two_scales(channels: dict[str, int]) -> list[dict[str, Output]]:
    """`outputs`: heatmaps and tags at stride 4, heatmaps at stride 2."""
    coarse = {field: Output(channels[field], 4) for field in FIELDS}
    return [coarse, {"heatmaps": Output(channels["heatmaps"], 2)}]


def paint_two_scales(
    x: Tensor, final_layers: nn.ModuleList, deconv_layers: nn.ModuleList, channels: dict[str, int]
) -> list[Fields]:
    """Features [B, C, H / 4, W / 4] -> the stages that `two_scales` states."""
    coarse = final_layers[0](x)
    x = deconv_layers[0](torch.cat([x, coarse], dim=1))
    fine = final_layers[1](x)
    return [split_fields(coarse, {f: channels[f] for f in FIELDS}), {"heatmaps": fine}]


class HRNetBottomUp(HRNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> heatmaps and tags, stride 4.

    Options: those of `HRNetTrunk`; `init`: "small_normal" (published) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = TRUNKS
    HEADS = ("final_layers",)  # the rest is the trunk
    FIELDS: ClassVar[tuple[str, ...]] = FIELDS

    def __init__(
        self,
        channels: dict[str, int],
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        bottlenecks: int = 4,
        init: str = "small_normal",
    ) -> None:
        check_fields(channels, FIELDS)
        super().__init__(width, modules, blocks, stem, bottlenecks)
        self.channels = {field: channels[field] for field in FIELDS}
        self.outputs = two_scales(channels)[:1]
        self.final_layers = painters(width, channels)[:1]
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Fields]:
        return [split_fields(self.final_layers[0](self.trunk(images)), self.channels)]


VARIANTS: dict[str, dict[str, Any]] = TRUNKS | {"demo": TRUNKS["demo"] | {"deconv_blocks": 1}}


class HigherHRNet(HRNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> fields at strides 4 and 2.

    Options: those of `HRNetTrunk`; `deconv_blocks`: basic blocks after the deconvolution;
    `init`: "small_normal" (published) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("final_layers", "deconv_layers")  # the rest is the trunk
    FIELDS: ClassVar[tuple[str, ...]] = FIELDS

    def __init__(
        self,
        channels: dict[str, int],
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        bottlenecks: int = 4,
        deconv_blocks: int = 4,
        init: str = "small_normal",
    ) -> None:
        check_fields(channels, FIELDS)
        check_counts("deconv_blocks", (deconv_blocks,), 1)
        super().__init__(width, modules, blocks, stem, bottlenecks)
        self.channels = dict(channels)
        self.outputs = two_scales(channels)
        self.final_layers = painters(width, channels)
        painted = width + sum(channels.values())
        self.deconv_layers = nn.ModuleList([deconvolution(painted, width, deconv_blocks)])
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Fields]:
        x = self.trunk(images)
        return paint_two_scales(x, self.final_layers, self.deconv_layers, self.channels)
