"""What each rank of a training runs, top to bottom: build, resume, loop, validate, keep, tell.

Knows neither Ray nor MLflow: rank, device and listener are handed in, so that the same loop runs
in one process, under torchrun and in a Ray Train worker. After a notice (`rank.py: Notice`) all
ranks write a checkpoint of the same step, and train on until they are ended.

The promise: a training that was cut off and resumed ends with the bits (weights, averages,
optimizer) of one that was not, on as many ranks (on CUDA where the recipe asks for it, see
`device.py`). So whatever decides a step is a function of the position (epoch, step, rank) or
stands in the checkpoint: see `resume.py`, and its test by SIGKILL.
A change in here changes the train digest of every recipe: `make repro` trains all of them anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch

from data.feeds.loader import LostWorkerError, losses_told
from data.feeds.readable import mark
from data.ground.sample import Batch
from pipelines.host.progress import Clock, Pace, ProgressLine
from pipelines.recipe.datasets import data_set
from pipelines.recipe.schema import Recipe
from pipelines.training.beside import Beside, Elsewhere
from pipelines.training.device import crossing, exact_or_refused
from pipelines.training.job import Job, Listener, LoaderError, TrainingStopped, TrainingSummary
from pipelines.training.optimizer import rate_factor, set_learning_rate
from pipelines.training.parts import Parts, TrainingFeed, build_feed, build_parts
from pipelines.training.pictures import draw_batch
from pipelines.training.rank import Rank
from pipelines.training.resume import Position, resume, save_checkpoint, set_random
from pipelines.training.step import Taken, train_step
from pipelines.training.totals import epoch_means, mean_losses

LEFT_OUT = "non_finite.jsonl"  # of a run: steps of which nothing was learned, and why
Step = Callable[[Job, Rank, Parts, Sequence[Batch]], Taken]  # as `train_step`


@exact_or_refused()
def train_loop(
    job: Job,
    rank: Rank,
    listener: Listener,
    take_step: Step = train_step,
    elsewhere: Elsewhere | None = None,
) -> TrainingSummary:
    """Trains the recipe to its end, from the last good checkpoint of the same fingerprint on.

    Every rank calls it. elsewhere: who validates beside it. Raises ValueError for what recipe, data
    or machine do not allow, TrainingStopped (on all ranks) when too many steps are left out.
    """
    clock, training = Clock(), job.recipe.training
    with clock("build"):
        torch.set_num_threads(job.threads)
        parts, feed = build_parts(job, rank), build_feed(job, rank)
        beside = Beside(job, rank, listener, elsewhere)
    with clock("resume"):
        at = resume(job, rank, parts, listener)
        beside.resume(at)
    line = ProgressLine(job.name, training.epochs, feed.steps, training.global_batch)
    while at.epoch < training.epochs:
        with clock("steps"):
            row = run_epoch(job, rank, parts, feed, at, listener, line, take_step)
        at.epoch, at.step, at.seconds = at.epoch + 1, 0, 0.0
        with clock("validation"):
            metrics = beside.numbers(parts, at)
        at.history.append({"epoch": at.epoch, "step": at.epoch * feed.steps, **row, **metrics})
        with clock("checkpoint"):
            _keep(job, rank, parts, feed, at, listener)
        if rank.is_main:
            line.epoch_done(at.history[-1], job.recipe.evaluation.monitor)
        beside.epoch_over(at)
    with clock("validation"):
        beside.finish(at)
    seconds = {part: round(value, 3) for part, value in clock.seconds.items()}
    return TrainingSummary(
        at.history, at.epoch * feed.steps, rank.world_size, at.skipped, listener.run_id, seconds
    )


def run_epoch(
    job: Job,
    rank: Rank,
    parts: Parts,
    feed: TrainingFeed,
    at: Position,
    listener: Listener,
    line: ProgressLine,
    take_step: Step,
) -> dict[str, float]:
    """The steps of one epoch that are still to do; its row of the history."""
    training = job.recipe.training
    batches = _batches(job, rank, parts, feed, at)
    pace, rate, names, before = Pace(), 0.0, list(parts.losses), at.seconds
    while at.step < feed.steps:
        place = f"of epoch {at.epoch + 1}, step {at.step + 1}"
        rank.beat(f"waits for samples {place}")
        with pace.waiting(), _lost_workers_told(job, rank, feed, at):
            micro = [next(batches) for _ in range(feed.accumulation)]
        if rank.is_main and at.epoch == at.step == 0:
            _picture_batch(job, micro[0], listener)
        rate = _learning_rate(job.recipe, feed, at)
        set_learning_rate(parts.optimizer, rate)
        rank.beat(f"trains on samples {place}")
        taken = take_step(job, rank, parts, micro)
        at.step, pace.steps = at.step + 1, pace.steps + 1
        at.noticed |= taken.noticed
        if taken.bad:
            _count_left_out(job, rank, feed, at, micro, mean_losses(names, taken.sums)["loss"])
        else:
            at.sums += taken.sums
        if rank.is_main:
            line.show(at.epoch, at.step, pace, lambda: mean_losses(names, at.sums)["loss"])
        at.seconds = before + pace.seconds
        if _is_due(training.checkpoint_every_steps, feed.steps, at):
            _keep(job, rank, parts, feed, at, listener)
    means = epoch_means(names, rank.total(at.sums))
    at.sums.zero_()
    return {**means, "learning_rate": rate, **_speed(pace, training.global_batch, at.seconds)}


def _speed(pace: Pace, samples_per_step: int, seconds: float) -> dict[str, float]:
    """Of this process; seconds: of all attempts."""
    return {
        "samples_per_second": pace.steps_per_second * samples_per_step,
        "data_wait_share": pace.wait_share,
        "seconds": seconds,
    }


def _batches(
    job: Job, rank: Rank, parts: Parts, feed: TrainingFeed, at: Position
) -> Iterator[Batch]:
    """This rank's batches of the epoch that are still to do, random numbers set for them."""
    feed.sampler.set_epoch(at.epoch)
    feed.sampler.set_position(at.step)
    set_random(job, rank, at)
    return crossing(feed.loader, rank.device, parts.use)


@contextmanager
def _lost_workers_told(job: Job, rank: Rank, feed: TrainingFeed, at: Position) -> Iterator[None]:
    """Writes down whose samples were waited for when a loader process was killed: an image may have
    ended it. Raises LoaderError that says so."""
    try:
        with losses_told(feed.loader):
            yield
    except LostWorkerError as error:
        feed.sampler.set_position(at.step)
        count = feed.loader.batch_size * feed.accumulation
        ids = [int(feed.ids[turn.row]) for turn in islice(feed.sampler, count)]
        row = {"epoch": at.epoch + 1, "step": at.step + 1, "rank": rank.rank, "sample_ids": ids}
        with (job.run_folder / LEFT_OUT).open("a") as file:
            file.write(json.dumps(row | {"lost": str(error)}) + "\n")
        raise LoaderError(
            f"{job.name}: epoch {at.epoch + 1}, step {at.step + 1}: a loader process of rank "
            f"{rank.rank} was ended from outside, or by one of its images ({error}). The samples "
            f"that were waited for stand in {job.run_folder / LEFT_OUT}. Where memory is short, "
            "lower loader_workers in params.yaml"
        ) from error


def _learning_rate(recipe: Recipe, feed: TrainingFeed, at: Position) -> float:
    step = at.epoch * feed.steps + at.step
    factor = rate_factor(recipe.schedule, step, feed.steps, recipe.training.epochs)
    return recipe.optimizer.learning_rate * factor


def _is_due(every: int | None, steps: int, at: Position) -> bool:
    """Whether a checkpoint inside the epoch is due; at its end one is written anyway."""
    regular = bool(every) and (at.epoch * steps + at.step) % (every or 1) == 0
    return at.step < steps and (regular or at.noticed)


def _keep(
    job: Job, rank: Rank, parts: Parts, feed: TrainingFeed, at: Position, listener: Listener
) -> None:
    """A checkpoint; after a notice training goes on when it is where it must be."""
    save_checkpoint(job, rank, parts, feed, at, listener)
    if at.noticed and rank.is_main:
        print(f"{job.name}: notice of an end: kept at epoch {at.epoch}, step {at.step}", flush=True)
        rank.notice.kept()
    at.noticed = False


def _picture_batch(job: Job, batch: Batch, listener: Listener) -> None:
    path = job.run_folder / "pictures" / "samples.jpg"
    draw_batch(path, batch, data_set(job.recipe.dataset).SKELETON)
    listener.picture(path, "samples")


def _count_left_out(
    job: Job, rank: Rank, feed: TrainingFeed, at: Position, micro: list[Batch], loss: float
) -> None:
    """Writes down whose loss was not finite, or who was not read; stops all ranks once there were
    too many such steps."""
    at.skipped += 1
    rows = [row for batch in micro for row in batch.sample_id.tolist()]
    unread = {mark(row): feed.loader.dataset.fault(mark(row)) for row in rows if row < 0}
    mine = {
        "loss": str(loss),
        "sample_ids": [int(feed.ids[row if row >= 0 else mark(row)]) for row in rows],
        "unread": {str(feed.ids[row]): fault for row, fault in unread.items()},
    }
    ranks = rank.gather(mine)
    if rank.is_main:
        with (job.run_folder / LEFT_OUT).open("a") as file:
            file.write(json.dumps({"epoch": at.epoch + 1, "step": at.step, "ranks": ranks}) + "\n")
    if at.skipped > job.recipe.training.skip_non_finite:
        raise TrainingStopped(_why_stopped(job, at, ranks))


def _why_stopped(job: Job, at: Position, ranks: list[dict[str, Any]]) -> str:
    """ranks: what each has written down of the step."""
    unread = {number: fault for each in ranks for number, fault in each["unread"].items()}
    number, fault = next(iter(unread.items()), ("", ""))
    what, do = (
        f"{len(unread)} of its samples could not be read, sample {number}: "
        f"{fault or 'it can be read now, so the disk or the network failed'}",
        "Mend the file and start again, or prepare the data anew, which leaves it out",
    )
    if not unread:
        what = "the loss is not finite"
        do = "Lower the learning rate, clip gradients, or use bf16 instead of fp16"
    return (
        f"{job.name}: epoch {at.epoch + 1}, step {at.step}: {what}; "
        f"training.skip_non_finite allows {job.recipe.training.skip_non_finite} steps to be left "
        f"out. Their samples stand in {job.run_folder / LEFT_OUT}; the last good checkpoint is "
        f"kept there too. {do}"
    )
