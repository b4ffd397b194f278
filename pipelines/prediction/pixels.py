"""How pixels are fed to a network: normalised as its recipe says, in mixed precision or not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from pipelines.recipe.schema import Pixels

IMAGE_MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB: what every pretrained trunk here was fed
IMAGE_STD = (0.229, 0.224, 0.225)
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def normalise(images: Tensor, pixels: Pixels) -> Tensor:
    """uint8 [B, H, W, 3] RGB -> float32 [B, 3, H, W] on the same device, as a recipe's `pixels`."""
    channels = images.float()
    if pixels == "openpose_bgr":
        return ((channels - 128.0) * (1 / 256)).flip(3).permute(0, 3, 1, 2)
    mean = torch.tensor(IMAGE_MEAN, device=images.device) * 255.0
    scale = 1.0 / (torch.tensor(IMAGE_STD, device=images.device) * 255.0)
    ordered = channels.flip(3) if pixels == "imagenet_bgr" else channels
    return ((ordered - mean) * scale).permute(0, 3, 1, 2)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision as the recipe names it; fp32 is no context at all."""
    if precision not in PRECISIONS:
        return nullcontext()
    return torch.autocast(device.type, dtype=PRECISIONS[precision])
