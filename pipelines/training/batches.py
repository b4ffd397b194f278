"""A recipe's global batch, cut to what the workers can take; what a device cannot do."""

from __future__ import annotations

import torch

from pipelines.recipe.schema import Recipe


def plan_batches(global_batch: int, world_size: int, largest: int) -> tuple[int, int]:
    """(samples per worker and micro-batch, micro-batches per step): the fewest that fit.

    Their product with `world_size` is the recipe's global batch, always: the learning rate was
    chosen for it. Raises ValueError where no such plan exists.
    """
    if global_batch % world_size:
        raise ValueError(
            f"training.global_batch: given {global_batch}, accepted with {world_size} workers: a "
            f"multiple of {world_size}; change it, or the workers of the cluster profile"
        )
    share = global_batch // world_size
    fitting = (n for n in range(1, share + 1) if share % n == 0 and share // n <= largest)
    accumulation = next(fitting, None)
    if accumulation is None:
        raise ValueError(f"max_batch_per_worker: given {largest}, accepted: 1 or more")
    return share // accumulation, accumulation


def check_device(recipe: Recipe, device: torch.device) -> None:
    """Raises ValueError for what this device cannot do."""
    if device.type != "cpu":
        return
    if recipe.training.sync_batch_norm:
        raise ValueError("training.sync_batch_norm: given true, accepted on CPU: false "
                         "(torch's SyncBatchNorm needs GPUs)")  # fmt: skip
    if recipe.training.precision == "fp16":
        raise ValueError("training.precision: given fp16, accepted on CPU: fp32, bf16")
