"""Ghost OpenPose ("Pose"): Lightweight OpenPose on GhostNet's first rows, its strides kept at 8.

Chen et al.: lightweight multi-person pose network, Advances in Computer and Communication, 2025;
trunk after Han et al.: GhostNet, CVPR 2020, arXiv:1911.11907, with the keys of timm's
`ghostnet_100`; everything behind it as in `lightweight_openpose.py`.

  images  stem     blocks.0 to .6, 11 ghost bottlenecks     tail           cpm, stages
          3x3 s2   see ROWS                                 1x1, 3 x sep.
  3 ----> 16 ----> 16 -> 24 x2 -> 40 x2 -> 80 x4 -> 112 x2  -> 480 ------> as Lightweight OpenPose
  stride  2        2     4        8        8        8          8
  ghost bottleneck:  ghost 1x1 to `expanded`, ReLU -> [3x3 or 5x5 depthwise s2] -> [SE] ->
                     ghost 1x1 to `outputs` -> + shortcut (identity, or depthwise and 1x1)
  ghost:             half the channels by a convolution, the other half from these by a 3x3
                     depthwise one; both BatchNorm
  tail:              1x1 to 480, then separable blocks, the first dilated by 2

  variant  tail  refinement stages  params     exact G at 368  COCO val AP (one scale, no flip)
  decided  yes   1                  3,822,030  7.375           34.0 (its AP and AP75 may be swapped)
  decided_no_se  as decided         3,468,794  7.374           0.2 less, as the text says
  literal  no    1                  3,010,286  5.671           as table 2 reads
  demo     yes   1                  five thin rows, for tests and drawn people ("kaiming" init)

Decided: the paper's table 2 gives 3.01M parameters, its table 5 3.82M and 7 G; the tail stands for
what the table leaves out: 764,640 of its own, and 47,104 more in `cpm`, which then reads 480
channels. The hidden width of SE is rounded to multiples of 4, as in GhostNet, so that its ImageNet
weights load; all but the depthwise of blocks.5.0, which has lost its stride. The second half of a
ghost is a 3x3 depthwise one, as there; the paper's prose calls it a 1x1. Kernels are GhostNet's
(table 2 prints none).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Fields
from models.ghost_blocks import Ghost, SqueezeExcitation
from models.layers import check_counts, check_fields, check_input, conv_bn_relu, initialise
from models.lightweight_openpose import FIELDS, PafNetwork, check_refinements, separable
from models.refusal import refusal


class Row(NamedTuple):
    """One ghost bottleneck of the paper's table 2, and which of GhostNet's blocks it stands in."""

    block: int
    kernel: int
    expanded: int
    outputs: int
    gated: bool
    stride: int

    def thinner(self, divisor: int, gated: bool) -> Row:
        """Of all channels one in `divisor`; without SE where not `gated`."""
        expanded, outputs = max(1, self.expanded // divisor), max(1, self.outputs // divisor)
        return self._replace(expanded=expanded, outputs=outputs, gated=self.gated and gated)


ROWS = (
    Row(0, 3, 16, 16, False, 1),
    Row(1, 3, 48, 24, False, 2),
    Row(2, 3, 72, 24, False, 1),
    Row(3, 5, 72, 40, True, 2),
    Row(4, 5, 120, 40, True, 1),
    Row(5, 3, 240, 80, False, 1),  # GhostNet has stride 2 here
    Row(6, 3, 200, 80, False, 1),
    Row(6, 3, 184, 80, False, 1),
    Row(6, 3, 184, 80, False, 1),
    Row(6, 3, 480, 112, True, 1),
    Row(6, 3, 672, 112, True, 1),
)


def squeezed(width: int, rounded: bool) -> int:
    """A quarter, as GhostNet rounds it: to the nearest multiple of 4, at most a tenth below."""
    if not rounded:
        return max(1, width // 4)
    near = max(4, (width + 8) // 16 * 4)
    return near if near >= 0.9 * width / 4 else near + 4


class GhostBottleneck(nn.Module):
    """[B, inputs, h, w] -> [B, row.outputs, h / row.stride, w / row.stride]."""

    def __init__(self, inputs: int, row: Row, rounded: bool) -> None:
        super().__init__()
        self.ghost1 = Ghost(inputs, row.expanded, 1)
        self.conv_dw: nn.Module = nn.Identity()
        self.bn_dw: nn.Module = nn.Identity()
        if row.stride > 1:
            self.conv_dw = _depthwise(row.expanded, row)
            self.bn_dw = nn.BatchNorm2d(row.expanded)
        self.se: nn.Module = nn.Identity()
        if row.gated:
            hidden = squeezed(row.expanded, rounded)
            self.se = SqueezeExcitation(row.expanded, hidden, functional.hardsigmoid)
        self.ghost2 = Ghost(row.expanded, row.outputs, 1, relu=False)
        self.shortcut = nn.Sequential()
        if inputs != row.outputs or row.stride > 1:
            self.shortcut = nn.Sequential(
                _depthwise(inputs, row), nn.BatchNorm2d(inputs),
                nn.Conv2d(inputs, row.outputs, 1, bias=False), nn.BatchNorm2d(row.outputs),
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn_dw(self.conv_dw(self.ghost1(x)))
        both: Tensor = self.ghost2(self.se(y)) + self.shortcut(x)
        return both


def _depthwise(width: int, row: Row) -> nn.Conv2d:
    half = row.kernel // 2
    return nn.Conv2d(width, width, row.kernel, row.stride, half, groups=width, bias=False)


def ghost_blocks(inputs: int, rows: Sequence[Row], rounded: bool) -> nn.Sequential:
    """`blocks`: a Sequential for each of GhostNet's blocks."""
    blocks: dict[int, list[nn.Module]] = {}
    for row in rows:
        blocks.setdefault(row.block, []).append(GhostBottleneck(inputs, row, rounded))
        inputs = row.outputs
    return nn.Sequential(*(nn.Sequential(*block) for block in blocks.values()))


def context_tail(inputs: int, width: int) -> nn.Sequential:
    """A wide 1x1 and three separable blocks, the first of which dilates by 2."""
    blocks = [separable(width, width, dilation=2 if i == 0 else 1) for i in range(3)]
    return nn.Sequential(conv_bn_relu(inputs, width, 1), *blocks)


TAILS = ("context", "none")
VARIANTS: dict[str, dict[str, Any]] = {
    "decided": {},
    "decided_no_se": {"gated": False},
    "literal": {"tail": "none"},
    "demo": {"rows": 5, "divisor": 2, "width": 48, "hidden": 64, "init": "kaiming"},
}


class GhostOpenPose(PafNetwork):
    """Images [B, 3, H, W], normalised, H and W multiples of 8 -> fields at stride 8, per stage.

    `tail`: "context" (decided) or "none" (the paper's table alone); `gated`: with SE in the rows
    that have it; `se_rounding`: its hidden widths as GhostNet has them, else a quarter;
    `refinements`: refinement stages, 0 or more; `rows`: how many of `ROWS`, from the first on, 4
    at least; `divisor`: of all channels of trunk and tail; `width`: of the context and the stages;
    `hidden`: before the 1x1 that paint, in the initial stage; `init`: "torch", "kaiming" or
    "small_normal".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("tail", *PafNetwork.HEADS)  # the rest is the trunk

    def __init__(
        self,
        channels: dict[str, int],
        tail: str = "context",
        gated: bool = True,
        se_rounding: bool = True,
        refinements: int = 1,
        rows: int = len(ROWS),
        divisor: int = 1,
        width: int = 128,
        hidden: int = 512,
        init: str = "torch",
    ) -> None:
        super().__init__()
        check_fields(channels, FIELDS)
        check_counts("divisor, width, hidden", (divisor, width, hidden), 3)
        check_refinements(refinements)
        if tail not in TAILS:
            raise refusal("tail", given=tail, accepted=", ".join(map(repr, TAILS)))
        if rows not in range(4, len(ROWS) + 1):  # the fourth brings stride 8
            raise refusal("rows", given=rows, accepted=f"4 to {len(ROWS)}")
        table = [row.thinner(divisor, gated) for row in ROWS[:rows]]
        stem, last, wide = max(1, 16 // divisor), table[-1].outputs, max(1, 480 // divisor)
        self.conv_stem = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.blocks = ghost_blocks(stem, table, se_rounding)
        self.tail = nn.Sequential() if tail == "none" else context_tail(last, wide)
        self._build_stages(last if tail == "none" else wide, width, hidden, channels, refinements)
        initialise(self, init, self.painters())

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        x = self.bn1(self.conv_stem(images)).relu()
        x = self.blocks(x)
        x = self.tail(x)
        return self.paint(x)
