"""PoseReNet: a small plug-in that refines the heatmaps of any network.

Xiang, Chen, Zhou: An Efficient Method for Boosting Human Pose Estimation.

  images  base, any network      gate: mean of each map, 1x1, ReLU, 1x1, sigmoid, times the map
  3 ----> stages, the last ---+--------------------------------------------------.
          paints heatmaps K   |  lift: 4x4 transposed s2, BN, ReLU, 1x1, 3x3, sigmoid
          at stride s         +-------------------+-----------> onto its grid ---+-> aggregate
                              |                   `-> out2, K maps, stride s/2   |      |
                              |  keep: 3x3, BN, ReLU, 3x3                        |      `-> out, K
                              `--------------------------------------------------'          maps,
          all convolutions K -> K, with a bias unless BN follows                            stride s

  options                        params at K = 17, 16  exact MMACs, HR MMACs at 64x48 heatmaps
  aggregation mean (decided)     13,447, 11,920         66, 108
  aggregation conv               14,331, 12,704         68, 111
  depthwise lift                  6,647                 22, 25

  COCO val AP, all with DARK, without -> with: SimpleBaseline-R50 62.6 -> 63.1, -R101 63.2 -> 63.9,
  HRNet-W32 70.7 -> 71.8, -W48 71.9 -> 73.5, each at 128x96; HRNet-W32 75.6 -> 76.2 at 256x192.
  The recipes say row by row which of them look like another protocol's.

Stages: those of the base, out2 (twice the resolution, only supervises), out (what is decoded).

Decided where the paper is silent or has no code:
  - the ReLU in the gate; batch norm and ReLU after the first convolution of lift and keep; a 4x4
    kernel of the lift's first;
  - out2 starts at sigmoid(-4), an almost empty heatmap;
  - the base's own heatmaps stay supervised, base and plug-in learn together (`freeze_base`: the
    plug-in alone);
  - aggregation is the mean of the three (`conv`: a 1x1 that starts as it), at the base's size: at
    twice the size codec, sigma and flip shift of what is decoded would be another network's, and
    two of the three branches would have to be made up between their cells;
  - for it out2 is read where the base's cells lie. In plain coding cell i lies at cell 2i. In
    DARK's both fields have one scale, of their widths, about their centres: cell i of n at
    (i - (n - 1) / 2) (2w - 1) / (w - 1) + (2n - 1) / 2, between two cells. A 2x2 mean would lie
    up to half of out2's cell off: at stride 4, 1 px of the input in the one coding, 0.4 to 0.5 px
    along each axis in the other.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from models.contracts import Fields, Network, Output, Refinement
from models.refusal import refusal

START_BIAS = -4.0  # sigmoid 0.018: out2 starts as a heatmap with nothing on it
BRANCHES = 3
AGGREGATIONS = ("mean", "conv")


class Gate(nn.Module):
    """[B, K, h, w] x sigmoid of what the means of all maps say about each."""

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(keypoints, keypoints, 1)
        self.conv2 = nn.Conv2d(keypoints, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.conv2(self.conv1(means).relu()).sigmoid()


def lift(keypoints: int, depthwise: bool) -> nn.Sequential:
    """[B, K, h, w] -> [B, K, 2h, 2w], heatmaps before the sigmoid."""
    groups = keypoints if depthwise else 1
    last = nn.Conv2d(keypoints, keypoints, 3, padding=1, groups=groups)
    if last.bias is not None:
        nn.init.constant_(last.bias, START_BIAS)
    return nn.Sequential(
        nn.ConvTranspose2d(keypoints, keypoints, 4, 2, 1, groups=groups, bias=False),
        nn.BatchNorm2d(keypoints),
        nn.ReLU(inplace=True),
        nn.Conv2d(keypoints, keypoints, 1),
        last,
    )


def keep(keypoints: int) -> nn.Sequential:
    """[B, K, h, w] -> [B, K, h, w]."""
    return nn.Sequential(
        nn.Conv2d(keypoints, keypoints, 3, padding=1, bias=False),
        nn.BatchNorm2d(keypoints),
        nn.ReLU(inplace=True),
        nn.Conv2d(keypoints, keypoints, 3, padding=1),
    )


def mean_of_branches(keypoints: int) -> nn.Conv2d:
    """1x1 [B, 3K, h, w] -> [B, K, h, w] that starts as the mean of the three branches."""
    aggregate = nn.Conv2d(BRANCHES * keypoints, keypoints, 1)
    if not aggregate.weight.is_meta:
        with torch.no_grad():
            eye = torch.eye(keypoints, device=aggregate.weight.device) / BRANCHES
            aggregate.weight.copy_(eye.repeat(1, BRANCHES)[:, :, None, None])
            assert aggregate.bias is not None
            aggregate.bias.zero_()
    return aggregate


def onto_grid(twice: Tensor, aligned: bool) -> Tensor:
    """[B, K, 2h, 2w] -> [B, K, h, w]: read where the cells of a field of half the size lie.

    aligned: as DARK's coding places them (see above), else as plain coding does.
    """
    if not aligned:
        return twice[..., ::2, ::2]
    height, width = twice.shape[-2] // 2, twice.shape[-1] // 2
    step = (2 * width - 1) / max(width - 1, 1)
    return between(between(twice, -2, height, step), -1, width, step)


def between(x: Tensor, axis: int, cells: int, step: float) -> Tensor:
    """`cells` values along an axis of 2 * `cells`, `step` apart about its centre, bilinear."""
    last = 2 * cells - 1
    place = (torch.arange(cells, device=x.device) - (cells - 1) / 2) * step + last / 2
    low = place.floor().clamp(0, last - 1)
    share = (place - low).clamp(0, 1).to(x.dtype)
    share = share[:, None] if axis == -2 else share
    low = low.long()
    return x.index_select(axis, low).lerp(x.index_select(axis, low + 1), share)


class PoseReNet(Refinement):
    """Images as `base` takes them -> [*stages of `base`, out2 at half its stride, out].

    base: a built network whose last stage paints `heatmaps` at an even stride; other fields of
    that stage are handed on to the last stage as they are. aligned: the codec's, see above.
    aggregation: "mean" or "conv"; depthwise: the spatial convolutions of the lift each on their
    own map; freeze_base: the base keeps its weights and running statistics, so the file that it
    starts from should be of a whole pose network, painting layer included. Raises ValueError for
    any other base or option.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "mean": {},
        "conv": {"aggregation": "conv"},
        "depthwise": {"depthwise": True},
    }

    def __init__(
        self,
        base: Network,
        aligned: bool = True,  # all of the paper but its MPII is DARK
        aggregation: str = "mean",
        depthwise: bool = False,
        freeze_base: bool = False,
    ) -> None:
        super().__init__()
        painted = check_base(base)
        if aggregation not in AGGREGATIONS:
            raise refusal("aggregation", given=aggregation, accepted=", ".join(AGGREGATIONS))
        keypoints, stride = painted["heatmaps"]
        self.base, self.aligned, self.freeze_base = base, aligned, freeze_base
        if freeze_base:
            base.requires_grad_(False)
        self.stride_divisor = base.stride_divisor
        own = ("gate", "lift", "keep", "aggregate")
        self.HEADS = (*(f"base.{head}" for head in base.HEADS), *own)
        twice = {"heatmaps": Output(keypoints, stride // 2)}
        self.outputs = [*base.outputs, twice, dict(painted)]
        self.gate = Gate(keypoints)
        self.lift = lift(keypoints, depthwise)
        self.keep = keep(keypoints)
        self.aggregate = mean_of_branches(keypoints) if aggregation == "conv" else None

    def train(self, mode: bool = True) -> Self:
        """A frozen base goes on reading its running statistics."""
        super().train(mode)
        if self.freeze_base:
            self.base.eval()
        return self

    def forward(self, images: Tensor) -> list[Fields]:
        stages = self.base(images)
        x = stages[-1]["heatmaps"]
        out2 = self.lift(x).sigmoid()
        branches = [self.gate(x), onto_grid(out2, self.aligned), self.keep(x)]
        if self.aggregate is None:
            out = (branches[0] + branches[1] + branches[2]) / BRANCHES
        else:
            out = self.aggregate(torch.cat(branches, dim=1))
        return [*stages, {"heatmaps": out2}, {**stages[-1], "heatmaps": out}]


def check_base(base: Network) -> dict[str, Output]:
    """What the last stage of `base` paints, or ValueError where it cannot be refined."""
    name = type(base).__name__
    if not isinstance(base, Network) or not base.outputs:
        fault = f"given {name} without `outputs`"
        raise refusal("base", fault=fault, accepted="a built architecture")
    painted = base.outputs[-1]
    if "heatmaps" not in painted:
        raise refusal(
            "base",
            fault=f"the last stage of {name} paints {', '.join(painted) or 'nothing'}",
            accepted="one that paints heatmaps",
            do="choose a codec that writes them, or leave `refine` out",
        )
    if painted["heatmaps"].stride % 2:
        raise refusal(
            "base",
            fault=f"{name} paints heatmaps at stride {painted['heatmaps'].stride}",
            accepted="an even stride, since they are also painted at twice their resolution",
        )
    return painted
