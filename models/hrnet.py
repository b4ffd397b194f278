"""HRNet: branches of four resolutions in parallel that keep exchanging what they see.

Sun, Xiao, Liu, Wang: Deep High-Resolution Representation Learning for Human Pose Estimation,
CVPR 2019, arXiv:1902.09212; keys of github.com/leoxiaobin/deep-high-resolution-net.pytorch.

  images  stem       layer1     stage2      stage3      stage4      final_layer
          2x3x3 s2   bottleneck 1 module    4 modules   3 modules   1x1 with bias
  3 ----> 64 ------> 256 -+---> C ---X----> C ---X----> C ---X----> heatmaps K    stride 4
                          +---> 2C --X----> 2C --X----> 2C --X                    stride 8
                                      `---> 4C --X----> 4C --X                    stride 16
                                                  `---> 8C --X                    stride 32
  module: per branch 4 basic blocks, then X: every branch becomes the ReLU of the sum of all,
  brought to its size by 3x3 s2 (finer ones) or 1x1 and nearest upsampling (coarser ones).
  The last module only computes stride 4. `-->` into a new branch: 3x3 s2 of the coarsest one.

  variant   C  params      GFLOPs (HR Gi) at 256x192, 384x288   COCO val AP (detector boxes)
  w32      32  28,536,113  7.120, 16.020                        74.4, 75.8
  w48      48  63,595,745  14.614, 32.882                       75.1, 76.3
  demo     16  few, thin blocks for tests and drawn people, from scratch ("kaiming" init)

Departure: fields beside heatmaps are painted by the same `final_layer`, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from models.contracts import Fields, Network, Output
from models.layers import (
    bottlenecks,
    check_channels,
    check_counts,
    check_input,
    conv_bn_relu,
    initialise,
    split_fields,
)

# Shapes: x_i [B, C * 2**i, H / 4 / 2**i, W / 4 / 2**i], i the branch, 0 the finest.
Block = Callable[[int], nn.Module]  # channels -> a block that keeps the shape
Path = Callable[[Sequence[int], int, int], nn.Module]  # channels of all branches, from, to


class BasicBlock(nn.Module):
    """x -> 3x3 -> 3x3 -> + x -> ReLU, all at `width` channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + x)


class Fusion(nn.ModuleList):
    """All branches, each through its own path, summed into one; ReLU."""

    def forward(self, branches: list[Tensor]) -> Tensor:
        total, *others = (path(x) for path, x in zip(self, branches, strict=True))
        for other in others:
            total = total + other
        return total.relu()


class ExchangeModule(nn.Module):
    """Blocks on every branch, then all branches summed into the first `outputs` ones.

    `block(width)` is a block; `path(widths, source, to)` brings a branch to another's shape.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: int,
        outputs: int,
        block: Block = BasicBlock,
        path: Path | None = None,
    ) -> None:
        super().__init__()
        path = path or exchange
        self.branches = nn.ModuleList(
            nn.Sequential(*(block(width) for _ in range(blocks))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            Fusion(path(widths, source, to) for source in range(len(widths)))
            for to in range(outputs)
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        branches = [blocks(x) for blocks, x in zip(self.branches, branches, strict=True)]
        return [fusion(branches) for fusion in self.fuse_layers]


def exchange(widths: Sequence[int], source: int, to: int) -> nn.Module:
    """Branch `source` brought to the size and width of branch `to`."""
    if source == to:
        return nn.Identity()
    if source > to:  # coarse to fine
        narrow = nn.Conv2d(widths[source], widths[to], 1, bias=False)
        enlarge = nn.Upsample(scale_factor=2 ** (source - to), mode="nearest")
        return nn.Sequential(narrow, nn.BatchNorm2d(widths[to]), enlarge)
    halvings = [conv_bn_relu(widths[source], widths[source], 3, 2) for _ in range(to - source - 1)]
    last = conv_bn_relu(widths[source], widths[to], 3, 2)[:2]  # no ReLU before the sum
    return nn.Sequential(*halvings, last)


def transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Branches of widths `before` -> `after`, which has one branch more, fed by the last one."""
    paths: list[nn.Module] = []
    for i, width in enumerate(after):
        if i >= len(before):
            paths.append(nn.Sequential(conv_bn_relu(before[-1], width, 3, 2)))
        else:
            same = before[i] == width
            paths.append(nn.Identity() if same else conv_bn_relu(before[i], width))
    return nn.ModuleList(paths)


def widen(paths: nn.ModuleList, branches: list[Tensor]) -> list[Tensor]:
    """Apply a `transition`."""
    return [path(branches[min(i, len(branches) - 1)]) for i, path in enumerate(paths)]


VARIANTS: dict[str, dict[str, Any]] = {
    "w32": {"width": 32},
    "w48": {"width": 48},
    "demo": {
        "width": 16,
        "modules": (1, 1, 1),
        "blocks": 1,
        "stem": 16,
        "bottlenecks": 1,
        "init": "kaiming",
    },
}


class HRNetTrunk(Network):
    """Stem, layer1 and stages 2 to 4: images [B, 3, H, W] -> [B, C, H / 4, W / 4].

    `width`: C; `modules`: of stages 2, 3, 4; `blocks`: per branch and module; `stem`: channels of
    the stem; `bottlenecks`: of layer1; `block`: of the branches, where a paper has its own.
    """

    stride_divisor = 32

    def __init__(
        self,
        width: int,
        modules: Sequence[int],
        blocks: int,
        stem: int,
        bottlenecks: int,
        block: Block = BasicBlock,
    ) -> None:
        super().__init__()
        check_counts("modules", modules, 3)
        check_counts("width, blocks, stem, bottlenecks", (width, blocks, stem, bottlenecks), 4)
        self._build_stem(stem, bottlenecks)
        self._build_stages([width * 2**i for i in range(4)], 4 * stem, modules, blocks, block)

    def _build_stem(self, stem: int, count: int) -> None:
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = bottlenecks(stem, stem, count)

    def _build_stages(
        self, widths: list[int], inputs: int, modules: Sequence[int], blocks: int, block: Block
    ) -> None:
        self.transition1 = transition([inputs], widths[:2])
        self.stage2 = stage(widths[:2], modules[0], blocks, block=block)
        self.transition2 = transition(widths[:2], widths[:3])
        self.stage3 = stage(widths[:3], modules[1], blocks, block=block)
        self.transition3 = transition(widths[:3], widths)
        self.stage4 = stage(widths, modules[2], blocks, outputs=1, block=block)

    def trunk(self, images: Tensor) -> Tensor:
        check_input(images, self.stride_divisor)
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2(widen(self.transition1, [x]))
        branches = self.stage3(widen(self.transition2, branches))
        branches = self.stage4(widen(self.transition3, branches))
        finest: Tensor = branches[0]
        return finest


class HRNet(HRNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> fields at stride 4.

    Options: those of `HRNetTrunk`; `init`: "small_normal" (published) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("final_layer",)  # the rest is the trunk

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
        check_channels(channels)
        super().__init__(width, modules, blocks, stem, bottlenecks)
        self.outputs = [{name: Output(count, 4) for name, count in channels.items()}]
        self.channels = dict(channels)
        self.final_layer = nn.Conv2d(width, sum(channels.values()), 1)
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Fields]:
        return [split_fields(self.final_layer(self.trunk(images)), self.channels)]


def stage(
    widths: Sequence[int],
    modules: int,
    blocks: int,
    outputs: int | None = None,
    block: Block = BasicBlock,
    path: Path | None = None,
) -> nn.Sequential:
    """`modules` exchange modules; the last one computes `outputs` branches (all by default)."""
    counts = [len(widths)] * (modules - 1) + [outputs or len(widths)]
    return nn.Sequential(*(ExchangeModule(widths, blocks, n, block, path) for n in counts))
