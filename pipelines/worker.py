"""What each rank of a training runs, top to bottom: build, resume, loop, validate, keep, report.

Knows neither Ray nor MLflow: rank, device and report are handed in, so that the same loop runs in
one process, under torchrun and in a Ray Train worker.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from data import DATASETS
from data.sample import Batch
from pipelines import checkpoint
from pipelines.job import Job, Report, Silent, TrainingStopped, TrainingSummary
from pipelines.optimizer import rate_factor, set_learning_rate
from pipelines.parts import Feed, Parts, build, build_feed
from pipelines.progress import Clock, Pace, ProgressLine
from pipelines.ranks import Rank
from pipelines.recipe import Recipe
from pipelines.step import learn
from pipelines.training_pictures import draw_batch, draw_fields, draw_predictions
from pipelines.validation import Validation, build_validation, validate

__all__ = ["Job", "Rank", "Report", "Silent", "TrainingStopped", "TrainingSummary", "train"]


@dataclass
class Position:
    """How far the training is: `epoch` whole epochs and `step` steps of the next one are done."""

    epoch: int = 0
    step: int = 0
    skipped: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(0))  # per loss, then the steps counted
    history: list[dict[str, float]] = field(default_factory=list)
    random: checkpoint.State | None = None  # to go on with inside an epoch


def train(job: Job, rank: Rank, report: Report) -> TrainingSummary:
    """Trains the recipe to its end, from the last good checkpoint of the same fingerprint on.

    Every rank calls it. Raises ValueError for what the recipe, the data or the machine does not
    allow, TrainingStopped (on all ranks) when losses are not finite more often than allowed.
    """
    clock, training = Clock(), job.recipe.training
    with clock("build"):
        torch.set_num_threads(job.threads)
        parts, feed = build(job, rank), build_feed(job, rank)
        judge = build_validation(job, rank)
    with clock("resume"):
        at = resume(job, rank, parts, report)
    line = ProgressLine(job.name, training.epochs, feed.steps, training.global_batch)
    while at.epoch < training.epochs:
        with clock("steps"):
            row = run_epoch(job, rank, parts, feed, at, report, line)
        at.epoch, at.step = at.epoch + 1, 0
        metrics: dict[str, float] = {}
        if at.epoch % training.validate_every == 0 or at.epoch == training.epochs:
            with clock("validation"):
                metrics = judged(job, rank, parts, judge, at, report)
        step = at.epoch * feed.steps
        at.history.append({"epoch": at.epoch, "step": step, **row, **metrics})
        with clock("checkpoint"):
            keep(job, rank, parts, feed, at, report)
        report.epoch(at.epoch, step, {**row, **metrics})
        if rank.is_main:
            line.epoch_done(at.history[-1], job.recipe.evaluation.monitor)
    seconds = {part: round(value, 3) for part, value in clock.seconds.items()}
    return TrainingSummary(
        at.history, at.epoch * feed.steps, rank.world_size, at.skipped, report.run_id, seconds
    )


def resume(job: Job, rank: Rank, parts: Parts, report: Report) -> Position:
    """Where to go on: the last good checkpoint of this fingerprint, or the beginning."""
    at = Position(sums=torch.zeros(len(parts.losses) + 1, dtype=torch.float64, device=rank.device))
    path = rank.from_main(
        checkpoint.latest(job.run_folder, job.fingerprint) if rank.is_main else None
    )
    if path is None:
        return at
    state = checkpoint.load(path)
    parts.network.load_state_dict(state["model"])
    if parts.average:
        parts.average.load_state_dict(state["average"])
    parts.optimizer.load_state_dict(state["optimizer"])
    parts.scaler.load_state_dict(state["scaler"])
    at.epoch, at.step, at.skipped = state["epoch"], state["step"], state["skipped"]
    at.history = state["history"]
    if rank.is_main:
        at.sums += state["sums"].to(rank.device)
        print(
            f"{job.name}: goes on from {path.name} (epoch {at.epoch}, step {at.step})", flush=True
        )
    if at.step and state["world_size"] == rank.world_size:
        at.random = state["random"][rank.rank]
    for row in at.history:  # what was kept but not told when the training was cut off
        told = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        report.epoch(int(row["epoch"]), int(row["step"]), told)
    return at


def run_epoch(
    job: Job,
    rank: Rank,
    parts: Parts,
    feed: Feed,
    at: Position,
    report: Report,
    line: ProgressLine,
) -> dict[str, float]:
    """The steps of one epoch that are still to do; its row of the history."""
    training = job.recipe.training
    batches = _batches(job, rank, feed, at)
    pace, rate = Pace(), 0.0
    while at.step < feed.steps:
        with pace.waiting():
            micro = [next(batches) for _ in range(feed.accumulation)]
        if rank.is_main and at.epoch == at.step == 0:
            _picture_batch(job, micro[0], report)
        rate = _learning_rate(job.recipe, feed, at)
        set_learning_rate(parts.optimizer, rate)
        sums, bad = learn(job, rank, parts, micro)
        at.step, pace.steps = at.step + 1, pace.steps + 1
        if bad:
            _count_non_finite(job, rank, feed, at, micro, sums)
        else:
            at.sums += sums
        if rank.is_main:
            line.show(at.epoch, at.step, pace, lambda: _means(parts, at.sums)["loss"])
        if _is_due(training.checkpoint_every_steps, feed.steps, at):
            keep(job, rank, parts, feed, at, report)
    means = _means(parts, rank.total(at.sums))
    at.sums.zero_()
    return {
        **means,
        "learning_rate": rate,
        "samples_per_second": pace.steps_per_second * training.global_batch,
        "data_wait_share": pace.wait_share,
        "seconds": pace.seconds,
    }


def _batches(job: Job, rank: Rank, feed: Feed, at: Position) -> Iterator[Batch]:
    """This rank's batches of the epoch that are still to do, random numbers set for them."""
    feed.sampler.set_epoch(at.epoch)
    feed.sampler.set_position(at.step)
    _set_random(job, rank, at)
    return iter(feed.loader)


def _learning_rate(recipe: Recipe, feed: Feed, at: Position) -> float:
    step = at.epoch * feed.steps + at.step
    factor = rate_factor(recipe.schedule, step, feed.steps, recipe.training.epochs)
    return recipe.optimizer.learning_rate * factor


def _is_due(every: int | None, steps: int, at: Position) -> bool:
    """Whether a checkpoint inside the epoch is due; at its end one is written anyway."""
    return bool(every) and at.step < steps and (at.epoch * steps + at.step) % (every or 1) == 0


def _picture_batch(job: Job, batch: Batch, report: Report) -> None:
    path = job.run_folder / "pictures" / "samples.jpg"
    draw_batch(path, batch, DATASETS[job.recipe.dataset].SKELETON)
    report.picture(path, "samples")


def _count_non_finite(
    job: Job, rank: Rank, feed: Feed, at: Position, micro: list[Batch], sums: Tensor
) -> None:
    """Writes down whose loss was not finite; stops all ranks once there were too many."""
    at.skipped += 1
    mine = [int(feed.ids[row]) for batch in micro for row in batch.sample_id.tolist()]
    ranks = rank.gather({"loss": str(float(sums[:-1].sum())), "sample_ids": mine})
    place = {"epoch": at.epoch + 1, "step": at.step}
    if rank.is_main:
        with (job.run_folder / "non_finite.jsonl").open("a") as file:
            file.write(json.dumps({**place, "ranks": ranks}) + "\n")
    allowed = job.recipe.training.skip_non_finite
    if at.skipped > allowed:
        raise TrainingStopped(
            f"{job.name}: epoch {at.epoch + 1}, step {at.step}: the loss is not finite; "
            f"training.skip_non_finite allows {allowed} such steps. Their samples stand in "
            f"{job.run_folder / 'non_finite.jsonl'}; the last good checkpoint is kept there too. "
            "Lower the learning rate, clip gradients, or use bf16 instead of fp16"
        )


def _means(parts: Parts, sums: Tensor) -> dict[str, float]:
    values = (sums[:-1] / sums[-1].clamp(min=1)).tolist()
    named = {f"loss_{name}": value for name, value in zip(parts.losses, values, strict=True)}
    return {"loss": sum(values), **named}


def _set_random(job: Job, rank: Rank, at: Position) -> None:
    """Random numbers inside an epoch depend on seed, epoch and rank, or go on where they were."""
    if at.random is not None:
        checkpoint.set_random_state(at.random, rank.device)
        at.random = None
        return
    seeds = np.random.SeedSequence([job.recipe.seed, at.epoch, rank.rank])
    seed = int(seeds.generate_state(1)[0])
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def judged(
    job: Job, rank: Rank, parts: Parts, judge: Validation, at: Position, report: Report
) -> dict[str, float]:
    """The metrics of the epoch that just ended, the same on every rank."""
    _share_buffers(rank, parts)
    metrics, found = validate(parts.best, judge, job, rank)
    settings = job.recipe.evaluation
    if settings.monitor not in metrics:
        raise ValueError(f"{job.name}: evaluation.monitor: given {settings.monitor!r}, accepted: "
                         f"{', '.join(metrics)}")  # fmt: skip
    if rank.is_main:
        path = job.run_folder / "pictures" / f"epoch_{at.epoch:04d}.jpg"
        draw_predictions(path, found, judge, settings.keypoint_threshold)
        report.picture(path, "predictions")
        path = job.run_folder / "pictures" / f"fields_{at.epoch:04d}.jpg"
        draw_fields(path, parts.best, parts.codec, judge.sample, rank.device)
        report.picture(path, "fields")
    return metrics


def _share_buffers(rank: Rank, parts: Parts) -> None:
    """Running statistics of all ranks become rank 0's, as DDP does before each forward pass."""
    rank.share_buffers(parts.network)
    if parts.average:
        rank.share_buffers(parts.average.network)


def keep(job: Job, rank: Rank, parts: Parts, feed: Feed, at: Position, report: Report) -> None:
    """A checkpoint of all ranks' state; weights that are not finite are never kept."""
    _share_buffers(rank, parts)
    _refuse_not_finite(job, parts, at)
    sums = rank.total(at.sums.clone())
    random_states = rank.gather(checkpoint.random_state(rank.device))
    if not rank.is_main:
        return
    state = _state(job, parts, at) | {
        "run_id": report.run_id,
        "world_size": rank.world_size,
        "sums": sums.cpu(),
        "random": random_states,
    }
    metrics = at.history[-1] if at.step == 0 else {}
    manifest = checkpoint.save(
        job.run_folder,
        state,
        fingerprint=job.fingerprint,
        epoch=at.epoch,
        step=at.epoch * feed.steps + at.step,
        metric=metrics.get(job.recipe.evaluation.monitor),
        keep_best=job.recipe.training.keep_best,
    )
    found = checkpoint.manifests(job.run_folder)
    if manifest in checkpoint.best(found, job.recipe.training.keep_best):
        path = checkpoint.folder_of(job.run_folder) / manifest.file
        report.checkpoint(path, at.epoch, metrics, manifest.sha256)


def _refuse_not_finite(job: Job, parts: Parts, at: Position) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in parts.network.state_dict().values()):
        raise TrainingStopped(
            f"{job.name}: epoch {at.epoch + 1}, step {at.step}: weights are not finite although "
            "the losses were; lower the learning rate or clip gradients (optimizer.clip_norm). "
            f"The last good checkpoint is kept in {checkpoint.folder_of(job.run_folder)}"
        )


def _state(job: Job, parts: Parts, at: Position) -> checkpoint.State:
    """What a checkpoint holds, but for what the ranks know together."""
    return {
        "recipe": job.recipe.as_dict(),
        "name": job.name,
        "fingerprint": job.fingerprint,
        "data_hash": job.data_hash,
        "epoch": at.epoch,
        "step": at.step,
        "skipped": at.skipped,
        "history": at.history,
        "model": parts.network.state_dict(),
        "average": parts.average.state_dict() if parts.average else None,
        "optimizer": parts.optimizer.state_dict(),
        "scaler": parts.scaler.state_dict(),
    }
