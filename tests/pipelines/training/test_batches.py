"""The plan of batches keeps a recipe's global batch on any cluster; what a device cannot do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipelines.training.batches import check_device, plan_batches
from tests.worlds.drawn import small_recipe


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 6, 8, 12, 24])
@pytest.mark.parametrize("largest", [1, 2, 5, 24, 1000])
def test_a_step_trains_on_the_recipes_batch_whatever_the_cluster(
    world_size: int, largest: int
) -> None:
    size, accumulation = plan_batches(24, world_size, largest)
    assert size * accumulation * world_size == 24
    assert 1 <= size <= largest
    share = 24 // world_size
    fewer = [n for n in range(1, accumulation) if share % n == 0]
    assert all(share // n > largest for n in fewer), "no plan with fewer micro-batches fits"


@pytest.mark.parametrize(
    ("world_size", "accepted"), [(5, "a multiple of 5"), (7, "of 7"), (16, "of 16"), (48, "of 48")]
)
def test_workers_that_cannot_share_the_batch_are_refused(world_size: int, accepted: str) -> None:
    with pytest.raises(ValueError, match=rf"global_batch, {world_size} workers.*24.*{accepted}"):
        plan_batches(24, world_size, 64)


@pytest.mark.parametrize("largest", [0, -1])
def test_a_machine_that_takes_nothing_is_refused(largest: int) -> None:
    with pytest.raises(ValueError, match=f"max_batch_per_worker: given {largest}, accepted: 1"):
        plan_batches(24, 2, largest)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"precision": "fp16"}, "training.precision, on CPU: given 'fp16', accepted: fp32, bf16"),
        ({"sync_batch_norm": True}, "training.sync_batch_norm, on CPU: given True"),
    ],
)
def test_what_needs_a_gpu_is_refused_on_cpu_alone(training: dict[str, Any], said: str) -> None:
    recipe = small_recipe(**training)
    with pytest.raises(ValueError, match=said):
        check_device(recipe, torch.device("cpu"))
    check_device(recipe, torch.device("cuda", 0))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_cpu_can_do_is_accepted(precision: str) -> None:
    check_device(small_recipe(precision=precision, channels_last=True), torch.device("cpu"))
