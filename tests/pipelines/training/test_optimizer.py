"""Optimizers, learning rates by step, the average of weights, the plan of batches."""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from pipelines.recipe.schema import Optimizer, ParameterGroup, Schedule
from pipelines.training.batches import plan_batches
from pipelines.training.optimizer import Average, build_optimizer, rate_factor, set_learning_rate


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_each_optimizer_takes_its_settings(name: str, kind: type) -> None:
    settings = Optimizer(name, 0.25, weight_decay=0.5, momentum=0.75)  # type: ignore[arg-type]
    optimizer = build_optimizer(settings, nn.Linear(2, 2))
    group = optimizer.param_groups[0]
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.5)
    assert group.get("momentum", 0.75) == 0.75


def test_multi_step_falls_at_the_start_of_its_epochs() -> None:
    schedule = Schedule("multi_step", milestones=[2, 3], factor=0.1)
    factors = [rate_factor(schedule, step, 10, 4) for step in (0, 19, 20, 29, 30, 39)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_warm_up_rises_to_one() -> None:
    schedule = Schedule("multi_step", warmup_steps=4)
    factors = [rate_factor(schedule, step, 10, 1) for step in range(5)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_cosine_goes_from_one_to_the_final_factor() -> None:
    schedule = Schedule("cosine", final_factor=0.1, warmup_steps=0)
    factors = [rate_factor(schedule, step, 50, 2) for step in range(100)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0.1)
    assert factors == sorted(factors, reverse=True)
    halfway = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * 50 / 99))
    assert factors[50] == pytest.approx(halfway)


def test_average_follows_parameters_and_buffers() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, decay=0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(1.0)  # type: ignore[union-attr]
        network.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    average.update(network)
    keep = 2 / 11  # (1 + 1) / (10 + 1), less than the decay
    assert average.network.weight.tolist() == pytest.approx([keep + (1 - keep) * 3] * 2)
    assert average.network.running_mean.tolist() == pytest.approx([1 - keep] * 2)  # type: ignore
    assert int(average.network.num_batches_tracked) == 7  # type: ignore[arg-type]
    for _ in range(50):
        average.update(network)
    assert average.network.weight.tolist() == pytest.approx([3.0, 3.0])


def test_average_comes_back_from_its_state() -> None:
    average, other = Average(nn.Linear(2, 2), 0.9), Average(nn.Linear(2, 2), 0.9)
    average.update(nn.Linear(2, 2))
    other.load_state_dict(average.state_dict())
    assert other.updates == 1
    assert torch.equal(other.network.weight, average.network.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("batch", "workers", "largest", "plan"),
    [
        (32, 2, 64, (16, 1)),
        (32, 2, 16, (16, 1)),
        (32, 2, 15, (8, 2)),
        (256, 2, 64, (64, 2)),
        (30, 2, 4, (3, 5)),
        (14, 2, 4, (1, 7)),
    ],
)
def test_the_fewest_micro_batches_that_fit(
    batch: int, workers: int, largest: int, plan: tuple[int, int]
) -> None:
    assert plan_batches(batch, workers, largest) == plan
    assert plan[0] * plan[1] * workers == batch


def test_a_global_batch_that_workers_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="2 workers: given 33, accepted: a multiple of 2"):
        plan_batches(33, 2, 64)
    with pytest.raises(ValueError, match="max_batch_per_worker"):
        plan_batches(32, 2, 0)


def test_groups_learn_at_their_own_rates() -> None:
    network = nn.Sequential(
        OrderedDict(
            trunk=nn.Sequential(
                nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4)
            ),
            head=nn.Conv2d(4, 2, 1),
        )
    )
    groups = [
        ParameterGroup(["bias"], "head", 8.0, 0.0),
        ParameterGroup(["bias", "norm_bias"], "", 2.0, 0.0),
        ParameterGroup(["depthwise_weight", "norm_weight"], weight_decay=0.0),
    ]
    settings = Optimizer("adam", 1e-3, weight_decay=5e-4, groups=groups)
    optimizer = build_optimizer(settings, network)
    set_learning_rate(optimizer, 1e-4)
    names = {id(p): name for name, p in network.named_parameters()}
    found = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert found == {
        "trunk.0.weight": (1e-4, 5e-4), "trunk.0.bias": (2e-4, 0.0),
        "trunk.1.weight": (1e-4, 0.0), "trunk.1.bias": (2e-4, 0.0),
        "trunk.2.weight": (1e-4, 0.0), "trunk.2.bias": (2e-4, 0.0),
        "head.weight": (1e-4, 5e-4), "head.bias": (8e-4, 0.0),
    }  # fmt: skip
    nobody = dataclasses.replace(settings, groups=[ParameterGroup(["bias"], "neck")])
    with pytest.raises(ValueError, match=r"groups\[0\].*neck.*trunk, head"):
        build_optimizer(nobody, network)
