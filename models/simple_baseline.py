"""SimpleBaseline: a ResNet and three deconvolutions.

Xiao, Wu, Wei: Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018,
arXiv:1804.06208; keys of github.com/microsoft/human-pose-estimation.pytorch, whose trunk has
torchvision's ResNet names.

  images  stem     layer1  layer2  layer3  layer4  deconv_layers                final_layer
          7x7 s2,  bottlenecks, the first of       3 x transposed k x k s2,     1x1 with bias
          pool s2  layers 2-4 with stride 2        BatchNorm, ReLU
  3 ----> 64 ----> 256 --> 512 --> 1024 -> 2048 -> 256 --> 256 --> 256 -------> heatmaps K
  stride  4        4       8       16      32      16      8       4            4

  variant  layers      k  params      exact Gi, HR Gi at 256x192  COCO val AP (detector boxes)
  r50      3 4 6 3     4  33,999,697   5.054,  8.991              70.4 (384x288: 72.2)
  r101     3 4 23 3    4  52,991,825   8.440, 12.378              71.4 (384x288: 73.6)
  r152     3 8 36 3    4  68,635,473  11.827, 15.765              72.0 (384x288: 74.3)
  r50_k3   3 4 6 3     3  29,412,177   4.479,  6.694              70.3
  r50_k2   3 4 6 3     2  26,135,377   4.069,  5.054              70.1
  demo     1 1 1 1     4  a quarter wide, for tests and drawn people ("kaiming" init)

The papers print HR Gi, which counts a deconvolution of stride 2 four times (see cost.py).
Departure: fields beside heatmaps are painted by the same `final_layer`, side by side. The
Caffe-style release (stride on the first 1x1) has the same keys and shapes but is another network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from models.contracts import Fields, Output
from models.layers import (
    ResNetTrunk,
    check_channels,
    check_counts,
    check_input,
    initialise,
    split_fields,
)
from models.refusal import refusal

# Padding and output padding that make a transposed k x k, stride 2, exactly double its input.
DECONV_PADDING = {4: (1, 0), 3: (1, 1), 2: (0, 0)}


def deconvolution(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """[B, inputs, h, w] -> [B, outputs, 2h, 2w]."""
    padding, output_padding = DECONV_PADDING[kernel]
    double = nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding, output_padding, bias=False)
    return [double, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


VARIANTS: dict[str, dict[str, Any]] = {
    "r50": {"layers": (3, 4, 6, 3)},
    "r101": {"layers": (3, 4, 23, 3)},
    "r152": {"layers": (3, 8, 36, 3)},
    "r50_k3": {"layers": (3, 4, 6, 3), "deconv_kernel": 3},
    "r50_k2": {"layers": (3, 4, 6, 3), "deconv_kernel": 2},
    "demo": {"layers": (1, 1, 1, 1), "width": 16, "deconv_width": 32, "init": "kaiming"},
}


class SimpleBaseline(ResNetTrunk):
    """Images [B, 3, H, W], normalised, H and W multiples of 32 -> fields at stride 4.

    `layers`: bottlenecks of layer1 to layer4; `width`: channels of the stem, doubled by each
    layer; `deconv_width`, `deconv_kernel` (2, 3 or 4): of the deconvolutions; `init`:
    "small_normal" (published) or "kaiming".
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS
    HEADS = ("deconv_layers", "final_layer")  # the rest is the trunk
    stride_divisor = 32

    def __init__(
        self,
        channels: dict[str, int],
        layers: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        deconv_width: int = 256,
        deconv_kernel: int = 4,
        init: str = "small_normal",
    ) -> None:
        check_channels(channels)
        check_counts("layers", layers, 4)
        check_counts("width, deconv_width", (width, deconv_width), 2)
        if deconv_kernel not in DECONV_PADDING:
            raise refusal("deconv_kernel", given=deconv_kernel, accepted="2, 3, 4")
        super().__init__(layers, width)
        self.outputs = [{name: Output(count, 4) for name, count in channels.items()}]
        self.channels = dict(channels)
        self.deconv_layers = nn.Sequential(
            *deconvolution(32 * width, deconv_width, deconv_kernel),
            *deconvolution(deconv_width, deconv_width, deconv_kernel),
            *deconvolution(deconv_width, deconv_width, deconv_kernel),
        )
        self.final_layer = nn.Conv2d(deconv_width, sum(channels.values()), 1)
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Fields]:
        check_input(images, self.stride_divisor)
        x = self.deconv_layers(self.pyramid(images)[-1])
        return [split_fields(self.final_layer(x), self.channels)]
