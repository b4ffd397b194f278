"""A batch is cut to what a card is reckoned to hold, by network, size and precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.cost import saved_bytes
from pipelines.recipe.build import build_architecture
from pipelines.training.memory import BYTES_PER_WEIGHT, SPARE_GIB, largest_batch
from tests.worlds import drawn

RECIPE = drawn.small_recipe()


def memory_for(batch: float) -> float:
    """GiB that hold `batch` samples of the small recipe in float32."""
    with torch.device("meta"):
        network = build_architecture(RECIPE)
    weights = sum(parameter.numel() for parameter in network.parameters())
    grows = batch * saved_bytes(network, RECIPE.size)
    return SPARE_GIB + (BYTES_PER_WEIGHT * weights + grows) / 2**30


@pytest.mark.parametrize(
    ("precision", "held", "batch"),
    [("fp32", 6.5, 6), ("bf16", 6.5, 13), ("fp16", 6.5, 13), ("fp32", 0.5, 1)],
)
def test_what_fits(precision: str, held: float, batch: int) -> None:
    recipe = replace(RECIPE, training=replace(RECIPE.training, precision=precision))
    assert largest_batch(recipe, memory_for(held)) == batch
