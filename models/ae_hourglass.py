"""AE hourglass: stacked hourglasses that paint heatmaps and the tags that group them.

Newell, Huang, Deng: Associative Embedding: End-to-End Learning for Joint Detection and Grouping,
NIPS 2017, arXiv:1611.05424; no official layout of keys is followed.

  images  pre                          stacks, n of them                     paint
          7x7 s2, 3x3, pool, 3x3, 3x3  hourglass  3x3  3x3                   1x1
  3 ----> 64 --> 128 --> 128 -> 256 -> 256 -----> 256 -> 256 -+------------> 4K: heatmaps K,
  stride  2      2       4      4      ^ 4               4    |                |  tags K, 2K more
                                       `-- + <-- 1x1 of these + 1x1 of these --+  --> stage i
  hourglass of f: 3x3 f beside, meanwhile pool, 3x3 to f + 128, the hourglass of f + 128 one size
                  smaller (4 sizes: strides 8 to 64, in the smallest a 3x3 takes its place),
                  3x3 to f, nearest upsampling to the size before; sum
  Every 3x3 and 7x7 has a bias and a ReLU, no BatchNorm; the 1x1 have a bias and no ReLU.

  variant   n  params       exact Gi at 512  COCO test-dev AP (one scale, no refinement)
  stacks_4  4  138,893,840  206.949          56.6
  demo      2  thin, for tests and drawn people

Papers print 277.8M parameters for it: the same counted twice. The 2K further channels are painted,
fed on to the next stack and never read, as in the release, so the weights keep their shapes and
every parameter has its gradient. Any multiple of 4 is a size: what cannot be halved is rounded up.
Departure: weights start as He et al. say, what paints near 0 (the paper is silent).
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from models.contracts import Fields, Network, Output
from models.layers import check_counts, check_fields, check_input, initialise

# Shapes: f channels at stride s are [B, f, H / s, W / s].
FIELDS = ("heatmaps", "tags")
CHANNELS_PER_KEYPOINT = 4  # a heatmap, a tag, and two that the release paints and never reads


def conv_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


class HourglassLevel(nn.Module):
    """[B, width, h, w] to half its size and back, `growth` channels wider there; sum of both.

    `sizes`: how many times it is halved in all, by this level and those inside it.
    """

    def __init__(self, width: int, growth: int, sizes: int) -> None:
        super().__init__()
        wider = width + growth
        inner = HourglassLevel(wider, growth, sizes - 1) if sizes > 1 else conv_relu(wider, wider)
        self.beside = conv_relu(width, width)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.below = nn.Sequential(conv_relu(width, wider), inner, conv_relu(wider, width))

    def forward(self, x: Tensor) -> Tensor:
        below = functional.interpolate(self.below(self.pool(x)), x.shape[-2:], mode="nearest")
        both: Tensor = self.beside(x) + below
        return both


class Stack(nn.Module):
    """One hourglass and what it paints: x -> features [B, width, h, w], painted [B, 4K, h, w]."""

    def __init__(self, width: int, growth: int, sizes: int, painted: int) -> None:
        super().__init__()
        self.hourglass = HourglassLevel(width, growth, sizes)
        self.after = nn.Sequential(conv_relu(width, width), conv_relu(width, width))
        self.paint = nn.Conv2d(width, painted, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.after(self.hourglass(x))
        return features, self.paint(features)


VARIANTS: dict[str, dict[str, Any]] = {
    "stacks_4": {"stacks": 4},
    "demo": {"stacks": 2, "width": 32, "growth": 8, "sizes": 2},
}


class AEHourglass(Network):
    """Images [B, 3, H, W], normalised, H and W multiples of 4 -> a stage at stride 4 per stack.

    `stacks`; `width`: f; `growth`: channels more at every size below; `sizes`: times an hourglass
    halves; `init`: "kaiming", "small_normal" or "torch".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ()  # what it paints goes on into the next stack
    FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    stride_divisor = 4

    def __init__(
        self,
        channels: dict[str, int],
        stacks: int = 4,
        width: int = 256,
        growth: int = 128,
        sizes: int = 4,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        check_fields(channels, FIELDS)
        check_counts("stacks, width, growth, sizes", (stacks, width, growth, sizes), 4)
        check_counts("width / 4", (width // 4,), 1)
        self.channels = {field: channels[field] for field in FIELDS}
        self.outputs = [{f: Output(n, 4) for f, n in self.channels.items()} for _ in range(stacks)]
        painted = max(CHANNELS_PER_KEYPOINT * channels["heatmaps"], sum(channels.values()))
        self.pre = _pre(width)
        built = [Stack(width, growth, sizes, painted) for _ in range(stacks)]
        self.stacks = nn.ModuleList(built)
        self.merge_features = _merges(width, width, stacks)
        self.merge_painted = _merges(painted, width, stacks)
        paints = [stack.paint for stack in built]
        initialise(self, init, [*paints, self.merge_features, self.merge_painted])

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        x, stages = self.pre(images), []
        for i, stack in enumerate(self.stacks):
            features, painted = stack(x)
            stages.append(self._read(painted))
            if i + 1 < len(self.stacks):
                x = x + self.merge_features[i](features) + self.merge_painted[i](painted)
        return stages

    def _read(self, painted: Tensor) -> Fields:
        """The channels that are used: heatmaps, then tags, of which more follow."""
        heatmaps, tags = self.channels["heatmaps"], self.channels["tags"]
        return {"heatmaps": painted[:, :heatmaps], "tags": painted[:, heatmaps : heatmaps + tags]}


def _pre(width: int) -> nn.Sequential:
    """[B, 3, H, W] -> [B, width, H / 4, W / 4]."""
    quarter, half = width // 4, width // 2
    return nn.Sequential(
        conv_relu(3, quarter, 7, 2),
        conv_relu(quarter, half),
        nn.MaxPool2d(2),
        conv_relu(half, half),
        conv_relu(half, width),
    )


def _merges(inputs: int, outputs: int, stacks: int) -> nn.ModuleList:
    """From every stack but the last to the next one."""
    return nn.ModuleList(nn.Conv2d(inputs, outputs, 1) for _ in range(stacks - 1))
