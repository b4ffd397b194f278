"""Where a training goes on: everything that the next step depends on comes back to the bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.feeds.loader import EpochSampler
from data.menus import CODECS
from models.menus import LOSSES
from pipelines.recipe.schema import Optimizer
from pipelines.training.checkpoint import (
    checkpoint_folder,
    latest_checkpoint,
    read_checkpoint,
    read_manifests,
    write_checkpoint,
)
from pipelines.training.job import Job, SilentListener, TrainingStopped
from pipelines.training.optimizer import Average, build_optimizer
from pipelines.training.parts import Parts, TrainingFeed
from pipelines.training.rank import Rank
from pipelines.training.resume import Position, resume, save_checkpoint, set_random
from pipelines.training.totals import empty_sums, epoch_means
from tests.worlds.drawn import small_job, small_recipe

STEPS = 5  # of an epoch
ROWS = [
    {"epoch": 1.0, "step": 5.0, "loss": 0.5, "AP@gt": 0.25},
    {"epoch": 2.0, "step": 10.0, "loss": 0.25},
]


class Told(SilentListener):
    """Remembers what it is told."""

    run_id = "run-1"

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int, dict[str, float]]] = []
        self.checkpoints: list[tuple[str, int, dict[str, float]]] = []

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None:
        self.epochs.append((epoch, step, metrics))

    def checkpoint(self, path: Path, epoch: int, metrics: dict[str, float], sha256: str) -> None:
        self.checkpoints.append((path.name, epoch, metrics))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of a training that reads no data here."""
    return small_job(tmp_path / "run", (tmp_path, tmp_path), small_recipe(keep_best=1))


def parts_of(seed: int, averaged: bool = True) -> Parts:
    """What learns, of one small layer with running statistics, Adam and an average."""
    torch.manual_seed(seed)
    network: Any = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = build_optimizer(Optimizer("adam", 0.1), network)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    average = Average(network, 0.5) if averaged else None
    losses = {"heatmaps": [(LOSSES["keypoint_mse"](), 1.0)]}
    return Parts(network, network, average, optimizer, scaler, CODECS["heatmap"](), losses)


def step(parts: Parts) -> None:
    """A step on random numbers."""
    inputs = torch.randn(4, 3)
    parts.optimizer.zero_grad()
    parts.network(inputs).pow(2).add(parts.network[0].weight.sum()).mean().backward()  # type: ignore
    parts.optimizer.step()
    if parts.average:
        parts.average.update(parts.network)


def feed() -> TrainingFeed:
    sampler = EpochSampler(8 * STEPS, global_batch=8)
    return TrainingFeed(sampler, None, 1, np.arange(8 * STEPS))


def save(job: Job, parts: Parts, at: Position, listener: SilentListener | None = None) -> None:
    save_checkpoint(job, Rank(), parts, feed(), at, listener or SilentListener())


def position(**given: Any) -> Position:
    return Position(**{"sums": empty_sums(1), **given})


def state(parts: Parts) -> dict[str, Any]:
    """All that learns, as plain data."""
    average = parts.average
    return {
        "network": plain(parts.network.state_dict()),
        "average": (average.updates, plain(average.network.state_dict())) if average else None,
        "moments": {n: plain(row) for n, row in parts.optimizer.state_dict()["state"].items()},
    }


def plain(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in tensors.items()}


def draws() -> tuple[Any, ...]:
    """What each random generator gives next."""
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()


def sums_of(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_without_a_checkpoint_a_training_starts_at_the_beginning(job: Job) -> None:
    parts, listener = parts_of(1), Told()
    before = state(parts)
    at = resume(job, Rank(), parts, listener)
    assert (at.epoch, at.step, at.skipped, at.history, at.random) == (0, 0, 0, [], None)
    assert at.sums.tolist() == empty_sums(1).tolist()
    assert state(parts) == before and listener.epochs == []


def test_a_training_goes_on_inside_an_epoch_to_the_same_bits(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = parts_of(1)
    for _ in range(3):
        step(undisturbed)
    at = position(epoch=2, step=3, skipped=1, sums=sums_of(1.5, 3, 20, 25), history=ROWS)
    save(job, undisturbed, at)
    step(undisturbed)
    expected, drawn = state(undisturbed), draws()

    resumed, listener = parts_of(2), Told()
    found = resume(job, Rank(), resumed, listener)
    assert "small: goes on from step_00000013.pt (epoch 2, step 3)" in capsys.readouterr().out
    assert (found.epoch, found.step, found.skipped) == (2, 3, 1)
    assert found.history == ROWS and found.sums.tolist() == [1.5, 3.0, 20.0, 25.0]
    assert listener.epochs == [(1, 5, {"loss": 0.5, "AP@gt": 0.25}), (2, 10, {"loss": 0.25})]
    set_random(job, Rank(), found)
    step(resumed)
    assert state(resumed) == expected and draws() == drawn


def test_a_checkpoint_of_before_hits_were_counted_goes_on(job: Job) -> None:
    save(job, parts_of(1), position(epoch=2, step=3, sums=sums_of(1.5, 3), history=ROWS))
    found = resume(job, Rank(), parts_of(2), Told())
    assert found.sums.tolist() == [1.5, 3.0, 0.0, 0.0]
    assert "accuracy" not in epoch_means(["heatmaps"], found.sums)


def test_seconds_of_an_epoch_that_was_begun_come_back(job: Job) -> None:
    save(job, parts_of(1), position(step=2, seconds=12.5))
    assert resume(job, Rank(), parts_of(2), Told()).seconds == 12.5


def test_a_checkpoint_of_before_seconds_were_kept_goes_on(job: Job) -> None:
    save(job, parts_of(1), position(step=2))
    path = latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    kept = {name: part for name, part in read_checkpoint(path).items() if name != "seconds"}
    write_checkpoint(
        job.run_folder, kept, fingerprint=job.fingerprint, epoch=0, step=3, metric=None,
        keep_best=1,
    )  # fmt: skip
    found = resume(job, Rank(), parts_of(2), Told())
    assert (found.step, found.seconds) == (2, 0.0)


def test_a_training_without_an_average_goes_on_too(job: Job) -> None:
    first, second = parts_of(1, averaged=False), parts_of(2, averaged=False)
    step(first)
    save(job, first, position(step=1))
    assert resume(job, Rank(), second, Told()).step == 1
    assert state(second) == state(first)


def test_a_new_epoch_has_random_numbers_of_its_own(job: Job) -> None:
    save(job, parts_of(1), position(epoch=1, history=ROWS[:1]))
    found = resume(job, Rank(), parts_of(2), Told())
    assert found.random is None, "nothing is in the middle"
    seen = []
    for rank in (Rank(), Rank(1, 2)):
        for epoch in (1, 2):
            set_random(job, rank, position(epoch=epoch))
            seen.append(draws())
    assert len({str(each) for each in seen}) == 4, "by epoch and by rank"
    set_random(job, Rank(), found)
    assert draws() == seen[0], "the same as of a training that was not cut off"


def test_random_numbers_of_other_ranks_are_not_gone_on_with(job: Job) -> None:
    save(job, parts_of(1), position(step=2))
    path = latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    kept = read_checkpoint(path)
    of_two = kept | {"world_size": 2, "random": kept["random"] * 2}
    write_checkpoint(
        job.run_folder, of_two, fingerprint=job.fingerprint, epoch=0, step=3, metric=None,
        keep_best=1,
    )  # fmt: skip
    found = resume(job, Rank(), parts_of(2), Told())
    assert found.step == 2 and found.random is None


def test_random_numbers_are_gone_on_with_once(job: Job) -> None:
    save(job, parts_of(1), position(step=2))
    found = resume(job, Rank(), parts_of(2), Told())
    set_random(job, Rank(), found)
    inside = draws()
    set_random(job, Rank(), found)
    assert draws() != inside, "the next epoch's are of its own seed"


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_a_newest_one_that_cannot_be_used_is_said_and_passed_over(
    job: Job, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = parts_of(1), parts_of(2)
    save(job, older, position(epoch=1, history=ROWS[:1]))
    save(job, newer, position(epoch=2, history=ROWS))
    path = checkpoint_folder(job.run_folder) / "step_00000010.pt"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if harm == "missing":
        path.unlink()
    resumed, listener = parts_of(3), Told()
    found = resume(job, Rank(), resumed, listener)
    said = capsys.readouterr().out
    assert f"step_00000010.pt: is {harm}" in said and "goes on from step_00000005.pt" in said
    assert (found.epoch, found.history) == (1, ROWS[:1]) and len(listener.epochs) == 1
    assert state(resumed)["network"] == state(older)["network"]


def test_a_training_of_another_fingerprint_starts_afresh(job: Job) -> None:
    save(job, parts_of(1), position(epoch=1, history=ROWS[:1]))
    parts = parts_of(2)
    before = state(parts)
    assert resume(replace(job, fingerprint="f" * 64), Rank(), parts, Told()).epoch == 0
    assert state(parts) == before


def test_weights_that_are_not_finite_are_never_kept(job: Job) -> None:
    good, bad = parts_of(1), parts_of(1)
    save(job, good, position(epoch=1, history=ROWS[:1]))
    with torch.no_grad():
        bad.network[1].running_var[0] = torch.inf  # type: ignore[index]
    with pytest.raises(TrainingStopped, match=r"small: epoch 2, step 3: weights are not finite"):
        save(job, bad, position(epoch=1, step=3, history=ROWS[:1]))
    assert [manifest.step for manifest in read_manifests(job.run_folder)] == [STEPS]


def test_checkpoints_among_the_best_are_told_and_no_other(job: Job) -> None:
    parts, listener = parts_of(1), Told()
    for epoch, step_of_epoch, quality in ((1, 0, 0.5), (1, 2, 0.5), (2, 0, 0.25), (3, 0, 0.75)):
        row = {"epoch": float(epoch), "step": float(STEPS * epoch), "AP@gt": quality}
        save(job, parts, position(epoch=epoch, step=step_of_epoch, history=[row]), listener)
    assert [(name, metrics["AP@gt"]) for name, _, metrics in listener.checkpoints] == [
        ("step_00000005.pt", 0.5),
        ("step_00000015.pt", 0.75),
    ]
    path = latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None and read_checkpoint(path)["run_id"] == "run-1"
