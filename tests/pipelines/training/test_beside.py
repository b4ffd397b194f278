"""Validation beside the training: the same numbers, in the same places, told in the same order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.host.tensors import TensorState
from pipelines.training import checkpoint
from pipelines.training.beside import LostError, Measured, measure
from pipelines.training.job import Job, SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from pipelines.training.step import Taken, train_step
from tests.worlds import drawn
from tests.worlds.alike import assert_same

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread")]
EPOCHS = 4
BY_CLOCK = ("samples_per_second", "data_wait_share", "seconds")
Data = tuple[Path, Path]


class Told(SilentListener):
    """Remembers all that it is told but what a clock said."""

    run_id = "run-1"

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int, dict[str, float]]] = []
        self.pictures: list[tuple[str, str]] = []
        self.checkpoints: list[tuple[str, int, float]] = []

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None:
        self.epochs.append((epoch, step, timeless(metrics)))

    def picture(self, path: Path, folder: str) -> None:
        self.pictures.append((path.name, folder))

    def checkpoint(self, path: Path, epoch: int, metrics: dict[str, float], sha256: str) -> None:
        self.checkpoints.append((path.name, epoch, metrics["AP@gt"]))


class Spare:
    """Works a validation out, and hands it over after `late` more times of being asked."""

    def __init__(self, late: int, lost: int = 0) -> None:
        self.late, self.lost, self.started = late, lost, 0

    def start(self, job: Job, epoch: int, weights: TensorState) -> Answer:
        self.started += 1
        return Answer(job, epoch, weights, self.late, self.started <= self.lost)


class Answer:
    def __init__(self, job: Job, epoch: int, weights: TensorState, late: int, lost: bool) -> None:
        self._given, self._asked, self._late, self._lost = (job, epoch, weights), 0, late, lost

    def result(self, wait_s: float) -> Measured | None:
        if self._lost:
            raise LostError("its node went")
        self._asked += 1
        return measure(*self._given, torch.device("cpu")) if self._asked > self._late else None


def timeless(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in BY_CLOCK}


def job_in(folder: Path, data: Data) -> Job:
    recipe = drawn.small_recipe(epochs=EPOCHS, steps_per_epoch=1, keep_best=2)
    return drawn.small_job(folder, data, recipe)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return drawn.draw(tmp_path_factory.mktemp("home"), train=8, val=4)


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory, data: Data) -> tuple[Job, Told, list[Any]]:
    job, told = job_in(tmp_path_factory.mktemp("inline"), data), Told()
    return job, told, train_loop(job, Rank(), told).history


def best(job: Job) -> list[tuple[str, float | None]]:
    manifests = checkpoint.best_manifests(checkpoint.read_manifests(job.run_folder), 2)
    return [(manifest.file, manifest.metric) for manifest in manifests]


def last_state(job: Job) -> TensorState:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


@pytest.mark.parametrize(
    "spare", [Spare(0), Spare(2), Spare(99), Spare(0, lost=1), Spare(0, lost=9)],
    ids=["at_once", "two_epochs_later", "when_it_has_trained", "lost_once", "lost_always"],
)  # fmt: skip
def test_numbers_that_come_late_stand_where_they_would(
    spare: Spare, tmp_path: Path, data: Data, inline: tuple[Job, Told, list[Any]]
) -> None:
    job, told = job_in(tmp_path, data), Told()
    summary = train_loop(job, Rank(), told, elsewhere=spare)
    undisturbed, expected, history = inline
    assert [timeless(row) for row in summary.history] == [timeless(row) for row in history]
    assert [list(row) for row in summary.history] == [list(row) for row in history]
    assert told.epochs == expected.epochs
    assert told.checkpoints == expected.checkpoints
    assert sorted(told.pictures) == sorted(expected.pictures)
    assert best(job) == best(undisturbed)
    for part in ("model", "average", "optimizer"):
        assert_same(last_state(job)[part], last_state(undisturbed)[part], part)


@pytest.mark.parametrize("late", [99, 1])
def test_what_was_due_when_it_was_cut_off_is_validated_then(
    late: int, tmp_path: Path, data: Data, inline: tuple[Job, Told, list[Any]]
) -> None:
    """Of late numbers some came after the checkpoint that it goes on from."""
    job, steps = job_in(tmp_path, data), iter(range(EPOCHS))

    def cut_off(*given: Any) -> Taken:
        if next(steps) == EPOCHS - 1:
            raise InterruptedError
        return train_step(*given)

    with pytest.raises(InterruptedError):
        train_loop(job, Rank(), Told(), cut_off, Spare(late))
    due = [manifest.epoch for manifest in checkpoint.read_manifests(tmp_path) if manifest.is_due]
    assert due
    told = Told()
    summary = train_loop(job, Rank(), told)  # nobody is to spare any more
    undisturbed, expected, history = inline
    assert [timeless(row) for row in summary.history] == [timeless(row) for row in history]
    assert told.epochs == expected.epochs
    assert best(job) == best(undisturbed)
