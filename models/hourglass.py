"""Stacked hourglass: down to a few cells and up again, several times, judged each time.

Newell, Yang, Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016,
arXiv:1603.06937; the PyTorch form that SimpleBaseline's and DARK's tables use.

  images  stem                            stacks, n of them
          7x7 s2, res 128, pool, res, res hourglass  res   1x1 BN ReLU   1x1
  3 ----> 64 ---> 128 --> 256 ----------> 256 -----> 256 -> 256 -------> heatmaps K   stride 4
  stride  2       2       4          |                       |           |
                                     `--> + <-- 1x1 of these + 1x1 of these --> next stack
  hourglass: res beside, meanwhile pool, res, the hourglass one size smaller (4 sizes, then one
             res at stride 64), res, nearest upsampling to the size before; sum
  res:       + (BN ReLU 1x1 half, BN ReLU 3x3 half, BN ReLU 1x1), all with biases

  variant    n  params      exact Gi at 256x192, 128x96   COCO val AP (detector boxes)
  stacks_2   2   6,731,682   6.281, 1.569
  stacks_4   4  13,020,612  10.732, 2.681
  stacks_8   8  25,598,472  19.635, 4.904                 66.9 (256x256: 67.1)
  demo       2  a quarter wide, two sizes less, for tests and drawn people

Any multiple of 4 is a size: what cannot be halved is rounded down and enlarged to what it was.
Loss on every stack, the last one is decoded. Departure: weights start as He et al. say, what
paints fields near 0 (the paper is silent). The 25.1M and 14.3 GFLOPs in HRNet's table are of
another count (14.310 Gi is 4 stacks at 256x256).
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Fields, Network, Output
from models.layers import check_channels, check_counts, check_input, initialise, split_fields
from models.refusal import refusal


class Residual(nn.Module):
    """[B, inputs, h, w] -> [B, outputs, h, w], normalised before each convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = max(1, outputs // 2)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, half, 1)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, half, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, outputs, 1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.bn1(x).relu())
        y = self.conv2(self.bn2(y).relu())
        return self.conv3(self.bn3(y).relu()) + self.skip(x)


def halve(x: Tensor) -> Tensor:
    """2x2 max-pool, rounded down, but never to nothing."""
    return functional.max_pool2d(x, 2, ceil_mode=min(x.shape[2:]) == 1)


class HourglassUnit(nn.Module):
    """[B, C, h, w] -> [B, C, h, w], having looked at `depth` smaller sizes."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.beside = Residual(width, width)
        self.down = Residual(width, width)
        deeper = depth > 1
        self.inner = HourglassUnit(depth - 1, width) if deeper else Residual(width, width)
        self.up = Residual(width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.inner(self.down(halve(x))))
        y = functional.interpolate(y, size=x.shape[2:], mode="nearest")
        return self.beside(x) + y


VARIANTS: dict[str, dict[str, Any]] = {
    "stacks_2": {"stacks": 2},
    "stacks_4": {"stacks": 4},
    "stacks_8": {"stacks": 8},
    "demo": {"stacks": 2, "width": 64, "depth": 2},
}


class Hourglass(Network):
    """Images [B, 3, H, W], normalised, H and W multiples of 4 -> per stack fields at stride 4.

    `stacks`: how many; `width`: channels of a stack, a multiple of 4; `depth`: sizes below
    stride 4; `init`: "kaiming", "torch" (torch's own) or "small_normal".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("score", "score_back")  # the rest is the trunk
    stride_divisor = 4

    def __init__(
        self,
        channels: dict[str, int],
        stacks: int = 8,
        width: int = 256,
        depth: int = 4,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        check_channels(channels)
        check_counts("stacks, width, depth", (stacks, width, depth), 3)
        if width % 4:
            raise refusal("width", given=width, accepted="a multiple of 4")
        self.outputs = [{f: Output(c, 4) for f, c in channels.items()} for _ in range(stacks)]
        self.channels = dict(channels)
        self._build_stem(width)
        self._build_stacks(stacks, width, depth, sum(channels.values()))
        initialise(self, init, painters=[self.score])

    def _build_stem(self, width: int) -> None:
        self.conv1 = nn.Conv2d(3, width // 4, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(width // 4)
        self.layer1 = Residual(width // 4, width // 2)
        self.layer2 = Residual(width // 2, width)
        self.layer3 = Residual(width, width)

    def _build_stacks(self, stacks: int, width: int, depth: int, painted: int) -> None:
        self.hourglass = nn.ModuleList(HourglassUnit(depth, width) for _ in range(stacks))
        self.after = nn.ModuleList(
            nn.Sequential(
                Residual(width, width), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU()
            )
            for _ in range(stacks)
        )
        self.score = nn.ModuleList(nn.Conv2d(width, painted, 1) for _ in range(stacks))
        between = range(stacks - 1)
        self.features_back = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in between)
        self.score_back = nn.ModuleList(nn.Conv2d(painted, width, 1) for _ in between)

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        x = self.layer1(self.bn1(self.conv1(images)).relu())
        x = self.layer3(self.layer2(functional.max_pool2d(x, 2)))
        stages = []
        for i in range(len(self.outputs)):
            features = self.after[i](self.hourglass[i](x))
            painted = self.score[i](features)
            stages.append(split_fields(painted, self.channels))
            if i + 1 < len(self.outputs):
                x = x + self.features_back[i](features) + self.score_back[i](painted)
        return stages
