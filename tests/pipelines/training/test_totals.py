"""Sums of an epoch: means of losses per step, accuracy per keypoint that was counted."""

from __future__ import annotations

import pytest
import torch

from pipelines.training.totals import (
    add_hits,
    empty_sums,
    epoch_means,
    mean_losses,
    take_over,
)

NAMES = ["heatmaps", "tags"]


def test_losses_are_means_per_step_and_accuracy_per_keypoint() -> None:
    sums = empty_sums(2)
    for hits in ([10.0, 16.0], [15.0, 17.0]):
        sums += torch.tensor([0.5, 0.25, 1, 0, 0])
        add_hits(sums, torch.tensor(hits))
    losses = {"loss": 0.75, "loss_heatmaps": 0.5, "loss_tags": 0.25}
    assert epoch_means(NAMES, sums) == losses | {"accuracy": pytest.approx(25 / 33)}
    assert mean_losses(NAMES, sums) == losses


def test_a_codec_that_counts_none_has_no_accuracy() -> None:
    sums = empty_sums(2)
    add_hits(sums, None)
    assert "accuracy" not in epoch_means(NAMES, sums)


@pytest.mark.parametrize("kept", [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_sums_of_a_checkpoint_are_added_with_or_without_hits(kept: list[float]) -> None:
    sums = empty_sums(2) + 1
    take_over(sums, torch.tensor(kept))
    assert sums.tolist() == [1 + each for each in kept] + [1.0] * (5 - len(kept))
