"""HSR-MSNet: HSRNet whose blocks see several scales at once.

Wang et al.: Multiperson Pose Estimation with Deep High Spatial Resolution and Multiscale
Features, 2021. Block after Gao et al.: Res2Net, TPAMI 2019, arXiv:1904.01169 (its names, where
the layers are the same), gate after Hu et al.: Squeeze-and-Excitation, CVPR 2018.

  images  stem     layer1  layer2  layer3  layer4    layer5    deconv_layers    final_layer
          as in    multi-scale blocks      dilated bottle-     2 x transposed   1x1 with
          HSRNet                           necks of HSRNet     k x k s2         bias
  3 ----> 64 ----> 256 --> 512 --> 1024 -> 1024 ---> 1024 ---> 256 --> 256 ---> heatmaps K
  stride  4        4       8       16      16        16        8       4        4

  block:  x --> 1x1 to n w --> split --> x1 ---> 3x3 ---> y1 --> concat --> 1x1 --> SE --> + x
                                 |                 `---.                    (x 4 planes)
                                 +-----> x2 ---> + --> 3x3 ---> y2 ...      BN, ReLU after each
          at stride 2 the 3x3 have it, nothing is added between the groups (as in Res2Net)

  variant  layers  n  w (of 64)  params      exact Gi, HR Gi at 256x192  COCO val AP (detector)
  59       3 4 6   4  22         22,662,353   5.830, 10.330              71.5 (384x288: 73.3)
  110      3 4 23  4  22         41,962,385   8.871, 13.371              "tested", not printed
  161      3 8 36  4  22         57,861,073  11.912, 16.412              "tested", not printed
  59_w16   3 4 6   4  16         20,368,001   a plain split of the planes
  59_w24   3 4 6   4  24         23,493,377
  59_w26   3 4 6   4  26         24,357,521   Res2Net's; without SE 23,405,921
  59_n3    3 4 6   3  26         22,194,893   figure 7a shows three groups
  59_all   3 4 6   4  26         25,917,713   multi-scale in layer4, layer5 too
  demo     1 1 1   4  22         a quarter wide, for tests and drawn people

HR Gi counts a deconvolution of stride 2 four times (see cost.py); the paper prints no cost.
Decided where it is silent:
- `groups`: three are printed, of Res2Net's own block (figure 7a), which has four with three 3x3, as
  one passes it by; the block here has one 3x3 more, so four. Three groups in all: 59_n3.
- w = planes x 22 / 64, which gives "the same parameters" as HSRNet; Res2Net's: 59_w26.
- `se_reduction` 16, as Hu et al.; 1x1 and BN before the gate (equation 2 leaves the order open).
- Several small 3x3 with stride 2 instead of one (section 3.3): each group's own 3x3 has the stride.
- Equation 1 adds the group before at every stride; here nothing is added at stride 2 (layer2.0 and
  layer3.0), where x(i) and y(i-1) differ in size, as in Res2Net.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.contracts import Fields, Output
from models.hsrnet import DEMO, DilatedBottleneck, HSRTrunk, deconvolutions, projection
from models.layers import check_channels, check_counts, check_reduction, initialise, split_fields

FULL_PLANES = 64  # of layer1 in a ResNet of full width, which `group_width` is stated for


class SqueezeExcitation(nn.Module):
    """x [B, C, h, w] times a gate of C that the means of all channels open."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        hidden = max(1, width // reduction)
        self.conv1 = nn.Conv2d(width, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.conv2(self.conv1(means).relu()).sigmoid()


class MultiScaleBlock(nn.Module):
    """[B, inputs, h, w] -> [B, 4 * planes, h / stride, w / stride].

    `groups` groups of planes x `group_width` / 64 channels; `reduction`: channels for each hidden
    one of the SE gate, 0: without it; `dilation` of the 3x3; `projects`: a 1x1 on the shortcut, by
    default where the shape changes.
    """

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int,
        groups: int,
        group_width: int,
        reduction: int,
        dilation: int = 1,
        projects: bool | None = None,
    ) -> None:
        super().__init__()
        self.adds_between = stride == 1
        width, outputs = max(1, planes * group_width // FULL_PLANES), 4 * planes
        self.conv1 = nn.Conv2d(inputs, groups * width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(groups * width)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
            for _ in range(groups)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(groups))
        self.conv3 = nn.Conv2d(groups * width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = SqueezeExcitation(outputs, reduction) if reduction else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        changes = stride != 1 or inputs != outputs
        self.downsample: nn.Module = nn.Identity()
        if changes or projects:
            self.downsample = projection(inputs, outputs, stride)

    def scales(self, x: Tensor) -> Tensor:
        """Every group through its 3x3, on top of what the group before made of its own."""
        seen: list[Tensor] = []
        parts = x.chunk(len(self.convs), dim=1)
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=True):
            given = part + seen[-1] if seen and self.adds_between else part
            seen.append(self.relu(bn(conv(given))))
        return torch.cat(seen, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.scales(self.relu(self.bn1(self.conv1(x))))
        y = self.se(self.bn3(self.conv3(y)))
        return self.relu(y + self.downsample(x))


def dilated_blocks_of(
    groups: int, group_width: int, reduction: int
) -> Callable[[int, int, bool], nn.Module]:
    """Blocks C and D of HSRNet, multi-scale."""

    def block(inputs: int, planes: int, projects: bool) -> nn.Module:
        return MultiScaleBlock(inputs, planes, 1, groups, group_width, reduction, 2, projects)

    return block


VARIANTS: dict[str, dict[str, Any]] = {
    "59": {"layers": (3, 4, 6)},
    "110": {"layers": (3, 4, 23)},
    "161": {"layers": (3, 8, 36)},
    "59_w16": {"layers": (3, 4, 6), "group_width": 16},
    "59_w24": {"layers": (3, 4, 6), "group_width": 24},
    "59_w26": {"layers": (3, 4, 6), "group_width": 26},
    "59_n3": {"layers": (3, 4, 6), "groups": 3, "group_width": 26},
    "59_all": {"layers": (3, 4, 6), "group_width": 26, "dilated_multiscale": True},
    "demo": {**DEMO, "deconv_width": 32},
}


class HSRMSNet(HSRTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 16 -> fields at stride 4.

    Options: those of `HSRTrunk` and `HSRNet`; `groups`; `group_width`: channels of a group where
    there are 64 planes (others in proportion, rounded down); `se_reduction`: channels for each
    hidden one of the SE gate that blocks end in, 0: without it; `dilated_multiscale`: layer4 and
    layer5 of such blocks too; `init`: "kaiming" (most of it has no published weights) or
    "small_normal".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("deconv_layers", "final_layer")  # the rest is the trunk
    # What neither a ResNet nor DetNet has; their stem, shortcuts, layer4 and layer5 fit.
    FRESH = (
        *(f"layer[123].*.{part}*" for part in ("conv", "bn", "se.")),
        "layer4.*",
        "layer5.*",
    )

    def __init__(
        self,
        channels: dict[str, int],
        layers: Sequence[int] = (3, 4, 6),
        width: int = 64,
        dilated_planes: int = 256,
        dilated_blocks: int = 3,
        groups: int = 4,
        group_width: int = 22,
        se_reduction: int = 16,
        dilated_multiscale: bool = False,
        deconv_width: int = 256,
        deconv_kernel: int = 4,
        init: str = "kaiming",
    ) -> None:
        check_channels(channels)
        check_counts("groups, group_width", (groups, group_width), 2)
        check_reduction(se_reduction)

        def block(inputs: int, planes: int, stride: int) -> nn.Module:
            return MultiScaleBlock(inputs, planes, stride, groups, group_width, se_reduction)

        multiscale = dilated_blocks_of(groups, group_width, se_reduction)
        dilated = multiscale if dilated_multiscale else DilatedBottleneck
        super().__init__(layers, width, dilated_planes, dilated_blocks, block, dilated)
        self.outputs = [{name: Output(count, 4) for name, count in channels.items()}]
        self.channels = dict(channels)
        self.deconv_layers = deconvolutions(4 * dilated_planes, deconv_width, deconv_kernel)
        self.final_layer = nn.Conv2d(deconv_width, sum(channels.values()), 1)
        initialise(self, init, painters=[self.final_layer])

    def forward(self, images: Tensor) -> list[Fields]:
        x = self.deconv_layers(self.trunk(images))
        return [split_fields(self.final_layer(x), self.channels)]
