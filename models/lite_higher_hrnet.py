"""Lite-HigherHRNet: HigherHRNet whose convolutions make half their channels from the other half.

Du, Ma, Fan: High-resolution Human Pose Estimation Method Based on Efficient Convolution, 2022;
its blocks in `ghost_blocks.py`; where a layer is HRNet's it has HRNet's key.

  images  conv1   conv2   layer1  stages 2 to 4, transitions   final_layers, deconv_layers
          3x3 s2  S2 s2   S2 x 4  as in HRNet, but ghost 3x3   as in HigherHRNet
                                  and S1 for its blocks
  3 ----> 64 ---> 64 ---> 256 --> C, 2C, 4C, 8C --> C -------> stage 0, stage 1
  stride  2       4       4       4  8   16  32     4          4        2

  ghost k x k:  half the channels by k x k (with the stride), the rest from these by a 3x3
                depthwise one; BatchNorm, and ReLU where said, after both
  S1: x -> ghost 3x3, ReLU -> SE -> ghost 3x3 -> + x                     for HRNet's basic blocks
  S2: x -> ghost 1x1 to mid, ReLU -> 3x3 depthwise (with the stride), BatchNorm -> SE ->
           ghost 1x1 -> + x, or its depthwise s2 and 1x1, or its 1x1     for its bottlenecks

  variant  options                    params      HR Gi at 512  COCO val AP (one scale, flip)
  a        decided: as drawn          16,366,539  30.748        65.3
  a_se4    se_reduction: 4 (not 8)    16,868,691  30.749
  a_se16   se_reduction: 16           16,115,463  30.748
  a_no_se  se_reduction: 0            15,853,059  30.748
  fusion   transitions: ordinary, fusion: halving, se_reduction: 4
                                      16,183,971  30.810        (SE 3, 8: 16,509,084, 15,681,819)
  b        stem_mid: 128, layer1_mid: 512, transitions and fusion: halving, deconv: ghost,
           se_reduction: 4, depthwise: true
                                      16,372,051  30.700
  demo     few, thin blocks for tests and drawn people
  a with   layer1_mid: 256, 512 (not 384)         16,156,299  28.830; 16,609,547  32.667
           layer1_depthwise: false                16,349,643  30.538
           the same, layer1_mid: 396, stem: bottleneck        16,368,730  30.700
           stem: ghost, bottleneck, ordinary      16,373,155  30.741; 16,366,350  30.737;
                                                  16,391,875  31.053
           fusion: halving, ghost                 15,389,067  29.900; 15,286,571  29.824
           deconv: ghost                          16,331,995  28.569
           the last two, layer1_mid: 512, SE 4    16,112,979  29.563
           stem and transitions: ordinary, layer1_mid: 0 (only the blocks of stages 2 to 4
           are replaced), SE 4, 8, 16: 16,768,339, 16,414,867, 16,238,131         30.201

The paper prints 16.4M and 30.7 (HR Gi); these are readings of it that come near. Decided:
- `transitions`: the text replaces the convolutions of a transfer module that downsamples, which we
  take to be what opens HRNet's new branches. Its introduction fuses branches through a
  transmission unit, which speaks for `fusion`; that prints 16.2M and 30.8, this both numbers.
- `stem`: of the two convolutions of stride 2 the second becomes S2 ("mixed"). Both ("bottleneck")
  is as near to the words and the print, but would see colours one by one, 1x1 and depthwise;
  GhostNet too keeps its first convolution, and so HRNet's files fill it.
- `se_reduction` 8: the paper prints none.
Departures: layer1's blocks have stride 1 and yet the 3x3 depthwise, which algorithm 1 gives to
stride 2 only (`layer1_depthwise: false` obeys; only the ghosts of layer1 see neighbours then);
S1's first ghost does not expand (the paper: it does; t = 2 would double stages 2 to 4); ghosts of
1x1 are completed by 3x3 depthwise as in GhostNet (equations 4 and 5 count the primary's kernel);
no ReLU after the sums of S1 and S2 (`relu_after_sum` adds it); what paints and deconv_layers
start at N(0, 0.001), all else as He et al. say. Fewer multiplications are not less time on a CPU:
an image takes more than HigherHRNet in eager PyTorch, hardly less in ONNX Runtime
(benchmarks/inference.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from models.contracts import Fields, Network
from models.ghost_blocks import Ghost, GhostBlock, GhostBottleneck
from models.higher_hrnet import FIELDS, deconvolution, paint_two_scales, painters, two_scales
from models.hrnet import BasicBlock, exchange, stage, transition, widen
from models.layers import (
    bottlenecks,
    check_counts,
    check_fields,
    check_input,
    check_reduction,
    initialise,
)
from models.refusal import refusal

# What may be a ghost, and how far: nothing, what has stride 2, everything.
STEMS = ("ordinary", "mixed", "ghost", "bottleneck")
EXTENTS = ("ordinary", "halving", "ghost")
DECONVS = ("ordinary", "ghost")
Bottleneck = Callable[[int, int, int, int], nn.Module]  # inputs, mid, outputs, stride


def ghost_transition(before: Sequence[int], after: Sequence[int], extent: str) -> nn.ModuleList:
    """HRNet's `transition`, its convolutions of stride 2, or all of them, replaced by ghosts."""
    paths = transition(before, after)
    for i, width in enumerate(after):
        if i >= len(before) and extent != "ordinary":
            paths[i] = Ghost(before[-1], width, 3, 2)
        elif i < len(before) and before[i] != width and extent == "ghost":
            paths[i] = Ghost(before[i], width, 3)
    return paths


def ghost_exchange(extent: str, widths: Sequence[int], source: int, to: int) -> nn.Module:
    """HRNet's `exchange`, its 3x3 of stride 2, or these and the 1x1, replaced by ghosts."""
    if source < to and extent != "ordinary":
        halvings = [Ghost(widths[source], widths[source], 3, 2) for _ in range(to - source - 1)]
        return nn.Sequential(*halvings, Ghost(widths[source], widths[to], 3, 2, relu=False))
    if source > to and extent == "ghost":
        enlarge = nn.Upsample(scale_factor=2 ** (source - to), mode="nearest")
        return nn.Sequential(Ghost(widths[source], widths[to], 1, relu=False), enlarge)
    return exchange(widths, source, to)


VARIANTS: dict[str, dict[str, Any]] = {
    "a": {},
    "a_se4": {"se_reduction": 4},
    "a_se16": {"se_reduction": 16},
    "a_no_se": {"se_reduction": 0},
    "fusion": {"transitions": "ordinary", "fusion": "halving", "se_reduction": 4},
    "b": {"stem_mid": 128, "layer1_mid": 512, "transitions": "halving", "fusion": "halving",
          "deconv": "ghost", "se_reduction": 4, "depthwise": True},
    "demo": {"width": 16, "modules": (1, 1, 1), "blocks": 1, "stem_width": 16, "stem_mid": 16,
             "layer1_blocks": 1, "layer1_mid": 64, "deconv_blocks": 1},
}  # fmt: skip


class LiteHigherHRNet(Network):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> fields at strides 4 and 2.

    `width`: C; `modules`: of stages 2, 3, 4; `blocks`: per branch and module; `stem_width`;
    `layer1_blocks`; `deconv_blocks`. What is replaced: `stem` (`STEMS`: "mixed" has an ordinary
    conv1), `stem_mid`: of its S2; `layer1_mid`: of layer1's S2, 0 for HRNet's bottlenecks;
    `transitions`, `fusion` (`EXTENTS`); `deconv` (`DECONVS`). How: `se_reduction`: channels for
    each hidden one of SE, 0: without; `depthwise`: in S1 too; `layer1_depthwise`: in layer1's S2;
    `relu_after_sum`. `init`: "kaiming", "small_normal" or "torch".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("final_layers", "deconv_layers")  # the rest is the trunk
    FIELDS: ClassVar[tuple[str, ...]] = FIELDS
    stride_divisor = 32

    def __init__(
        self,
        channels: dict[str, int],
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: str = "mixed",
        stem_width: int = 64,
        stem_mid: int = 64,
        layer1_blocks: int = 4,
        layer1_mid: int = 384,
        deconv_blocks: int = 4,
        transitions: str = "ghost",
        fusion: str = "ordinary",
        deconv: str = "ordinary",
        se_reduction: int = 8,
        depthwise: bool = False,
        layer1_depthwise: bool = True,
        relu_after_sum: bool = False,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        check_fields(channels, FIELDS)
        check_counts("modules", modules, 3)
        sizes = (width, blocks, stem_width, stem_mid, layer1_blocks, deconv_blocks)
        check_counts("width, blocks, stem_*, layer1_blocks, deconv_blocks", sizes, 6)
        check_reduction(se_reduction)
        _check_choices(stem=stem, transitions=transitions, fusion=fusion, deconv=deconv)
        self.channels, self.outputs = dict(channels), two_scales(channels)
        bottleneck = partial(GhostBottleneck, reduction=se_reduction, relu=relu_after_sum)
        block = partial(
            GhostBlock, reduction=se_reduction, depthwise=depthwise, relu=relu_after_sum
        )
        self._build_stem(stem, stem_width, stem_mid, bottleneck)
        inner = partial(bottleneck, depthwise=layer1_depthwise)
        self.layer1 = _layer1(stem_width, layer1_mid, layer1_blocks, inner)
        widths = [width * 2**i for i in range(4)]
        path = partial(ghost_exchange, fusion)
        self.transition1 = ghost_transition([4 * stem_width], widths[:2], transitions)
        self.stage2 = stage(widths[:2], modules[0], blocks, None, block, path)
        self.transition2 = ghost_transition(widths[:2], widths[:3], transitions)
        self.stage3 = stage(widths[:3], modules[1], blocks, None, block, path)
        self.transition3 = ghost_transition(widths[:3], widths, transitions)
        self.stage4 = stage(widths, modules[2], blocks, 1, block, path)
        self.final_layers = painters(width, channels)
        finer = block if deconv == "ghost" else BasicBlock
        painted = width + sum(channels.values())
        self.deconv_layers = nn.ModuleList([deconvolution(painted, width, deconv_blocks, finer)])
        self.FRESH = _fresh(stem, fusion)
        initialise(self, init, [self.final_layers, self.deconv_layers])

    def _build_stem(self, kind: str, width: int, mid: int, bottleneck: Bottleneck) -> None:
        """Two layers of stride 2, under HRNet's names; "bottleneck": the first has `width` / 4."""
        first = {"mixed": "ordinary"}.get(kind, kind)
        second = {"mixed": "bottleneck"}.get(kind, kind)
        self.conv1, self.bn1, self.relu1 = _halve(first, 3, width, width // 4, bottleneck)
        self.conv2, self.bn2, self.relu2 = _halve(second, width, width, mid, bottleneck)

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        x = self.relu1(self.bn1(self.conv1(images)))
        x = self.relu2(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        branches = self.stage2(widen(self.transition1, [x]))
        branches = self.stage3(widen(self.transition2, branches))
        branches = self.stage4(widen(self.transition3, branches))
        return paint_two_scales(branches[0], self.final_layers, self.deconv_layers, self.channels)


def _halve(
    kind: str, inputs: int, outputs: int, mid: int, bottleneck: Bottleneck
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Convolution, BatchNorm, ReLU; or what replaces all three."""
    if kind == "ordinary":
        convolution = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    if kind == "ghost":
        return Ghost(inputs, outputs, 3, 2), nn.Identity(), nn.Identity()
    return bottleneck(inputs, mid, outputs, 2), nn.Identity(), nn.Identity()


def _layer1(inputs: int, mid: int, count: int, bottleneck: Bottleneck) -> nn.Sequential:
    """[B, inputs, h, w] -> [B, 4 * inputs, h, w]; `mid` 0: HRNet's."""
    if mid == 0:
        return bottlenecks(inputs, inputs, count)
    check_counts("layer1_mid", (mid,), 1)
    first = bottleneck(inputs, mid, 4 * inputs, 1)
    others = (bottleneck(4 * inputs, mid, 4 * inputs, 1) for _ in range(count - 1))
    return nn.Sequential(first, *others)


def _fresh(stem: str, fusion: str) -> tuple[str, ...]:
    """Parts of which no published file has the like: a file of HRNet may fill the others."""
    parts = ["conv2.*", "bn2.*", "layer1.*", "transition*", "*.branches.*"]
    parts += ["conv1.*", "bn1.*"] if stem in ("ghost", "bottleneck") else []
    parts += ["*.fuse_layers.*"] if fusion != "ordinary" else []
    return tuple(parts)


def _check_choices(**given: str) -> None:
    accepted = {"stem": STEMS, "transitions": EXTENTS, "fusion": EXTENTS, "deconv": DECONVS}
    for name, value in given.items():
        if value not in accepted[name]:
            raise refusal(name, given=value, accepted=", ".join(accepted[name]))
