"""What an epoch adds up step by step, and what it comes to.

Sums are float64 [losses + 3]: each loss, the steps counted, the codec's hits (`Codec.hits`: shares
found, keypoints). What came later stands last, so sums of checkpoints without it go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def empty_sums(losses: int, device: torch.device | None = None) -> Tensor:
    """Of as many losses, before the first step."""
    return torch.zeros(losses + 3, dtype=torch.float64, device=device)


def add_hits(sums: Tensor, hits: Tensor | None) -> None:
    """hits: of a micro-batch; None: of a codec that counts none."""
    if hits is not None:
        sums[-2:] += hits


def take_over(sums: Tensor, kept: Tensor) -> None:
    """Adds what a checkpoint kept; one of before the hits were counted goes on without its own."""
    sums[: len(kept)] += kept.to(sums.device)


def mean_losses(names: Sequence[str], sums: Tensor) -> dict[str, float]:
    """{"loss": of all together, "loss_heatmaps": ...}, per step."""
    count = len(names)
    values = (sums[:count] / sums[count].clamp(min=1)).tolist()
    named = {f"loss_{name}": value for name, value in zip(names, values, strict=True)}
    return {"loss": sum(values), **named}


def epoch_means(names: Sequence[str], sums: Tensor) -> dict[str, float]:
    """The losses, and "accuracy", a fraction of 1, where the codec counted any keypoint."""
    found, keypoints = sums[-2:].tolist()
    return mean_losses(names, sums) | ({"accuracy": found / keypoints} if keypoints else {})
