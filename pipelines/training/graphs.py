"""`training.cuda_graphs`: the network's forward and backward pass as two launches, not thousands.

A CPU gives a network's small kernels, of HRNet-W32 thousands, to the device one by one; a CUDA
graph holds them all. It is recorded once, of the shape that each micro-batch has; a validation,
whose batches have other shapes, goes the ordinary way. The same kernels in the same order: the
bits are those of a training without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.prediction.pixels import PRECISIONS

Make = Callable[..., Any]  # as torch.cuda.make_graphed_callables
WARM_UPS = 3


def record(network: nn.Module, images: Tensor, precision: str, make: Make | None = None) -> None:
    """In place: while it trains, `network(images)` is a replay. Weights and running statistics
    stay as they are.

    images: float32 [B, 3, H, W], on the device and in the layout that all batches have.
    """
    make_graphed: Make = make or torch.cuda.make_graphed_callables
    network.train()
    kept = [buffer.clone() for buffer in network.buffers()]
    half: Any = PRECISIONS.get(precision)
    # Weights cast for one pass must not be kept for the next: a replay casts them again.
    with torch.autocast(images.device.type, half, enabled=bool(half), cache_enabled=False):
        make_graphed(network, (images,), num_warmup_iters=WARM_UPS, allow_unused_input=True)
    for buffer, before in zip(network.buffers(), kept, strict=True):
        buffer.copy_(before)  # where it lies: the graph writes there
