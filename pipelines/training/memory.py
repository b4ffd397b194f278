"""How many samples of a recipe a card of so much memory takes at once: reckoned, not tried."""

from __future__ import annotations

import torch

from models.cost import saved_bytes
from pipelines.recipe.build import build_architecture
from pipelines.recipe.schema import Recipe

SPARE_GIB = 2.0  # CUDA itself, cuDNN's workspaces, and a desktop's screen on the same card
BYTES_PER_WEIGHT = 16  # weight, gradient and Adam's two moments, in float32


def largest_batch(recipe: Recipe, memory_gib: float) -> int:
    """At least 1. What grows with the batch is what autograd keeps; in 16 bits half of it."""
    with torch.device("meta"):
        network = build_architecture(recipe)
    weights = sum(parameter.numel() for parameter in network.parameters())
    free = (memory_gib - SPARE_GIB) * 2**30 - BYTES_PER_WEIGHT * weights
    share = 1.0 if recipe.training.precision == "fp32" else 0.5
    return max(1, int(free / (share * saved_bytes(network, recipe.size))))
