"""A recipe's global batch, cut to what the workers can take; what a device cannot do."""

from __future__ import annotations

import torch

from data.ground.refusal import refusal
from pipelines.recipe.schema import Recipe


def plan_batches(global_batch: int, world_size: int, largest: int) -> tuple[int, int]:
    """(samples per worker and micro-batch, micro-batches per step): the fewest that fit.

    Their product with `world_size` is the recipe's global batch, always: the learning rate was
    chosen for it. Raises ValueError where no such plan exists.
    """
    if global_batch % world_size:
        raise refusal(
            f"training.global_batch, {world_size} workers",
            given=global_batch,
            accepted=f"a multiple of {world_size}",
            do="change it, or the workers of the cluster profile",
        )
    share = global_batch // world_size
    fitting = (n for n in range(1, share + 1) if share % n == 0 and share // n <= largest)
    accumulation = next(fitting, None)
    if accumulation is None:
        raise refusal("max_batch_per_worker", given=largest, accepted="1 or more")
    return share // accumulation, accumulation


def check_device(recipe: Recipe, device: torch.device) -> None:
    """Raises ValueError for what this device cannot do."""
    if device.type != "cpu":
        return
    if recipe.training.sync_batch_norm:
        raise refusal(
            "training.sync_batch_norm, on CPU",
            given=True,
            accepted="false (torch's SyncBatchNorm needs GPUs)",
        )
    if recipe.training.precision == "fp16":
        raise refusal("training.precision, on CPU", given="fp16", accepted="fp32, bf16")
