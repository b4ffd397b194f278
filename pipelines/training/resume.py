"""Where a training goes on, and the checkpoints that it goes on from.

The promise: killed at any step and resumed on as many ranks, a training ends equal to the last bit
to one that was never disturbed. A checkpoint therefore holds all that the next step depends on
(weights, running statistics, average, optimizer, scaler, sums of the epoch, every rank's random
numbers), and the order of the samples is a function of seed, epoch and step. What is added to a
step and not to `_state` breaks it; tests/pipelines/training/test_loop.py kills and compares.
On CUDA to the bit with `training.deterministic`, else to rounding (`device.py`).
On more or fewer ranks each step trains on the same samples at the same rate; its gradients are the
same but for rounding and for BatchNorm, whose groups are the micro-batches (`worlds.py`).
A change in here changes the train digest of every recipe: `make repro` trains all of them anew.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipelines.host.tensors import TensorState
from pipelines.recipe.schema import Recipe
from pipelines.training import checkpoint
from pipelines.training.job import Job, Listener, TrainingStopped
from pipelines.training.optimizer import load_optimizer
from pipelines.training.parts import Parts, TrainingFeed
from pipelines.training.rank import Rank
from pipelines.training.state_parts import RESUMED
from pipelines.training.totals import empty_sums, take_over


@dataclass
class Position:
    """How far the training is: `epoch` whole epochs and `step` steps of the next one are done."""

    epoch: int = 0
    step: int = 0
    skipped: int = 0
    sums: Tensor = field(default_factory=lambda: empty_sums(0))  # of the next epoch, as in `totals`
    history: list[dict[str, float]] = field(default_factory=list)
    random: TensorState | None = None  # to go on with inside an epoch
    due: bool = False  # that the epoch which just ended is validated beside the training
    noticed: bool = False  # that an end is near, and no checkpoint was written since
    seconds: float = 0.0  # that these steps of the next epoch took, of all attempts


def resume(job: Job, rank: Rank, parts: Parts, listener: Listener) -> Position:
    """Where to go on: the last good checkpoint of this fingerprint and code, or the beginning."""
    at = Position(sums=empty_sums(len(parts.losses), rank.device))
    kept = (job.run_folder, job.fingerprint, job.code)
    path = rank.from_main(checkpoint.latest_checkpoint(*kept, RESUMED) if rank.is_main else None)
    if path is None:
        return at
    state = _read_alike(path, rank)
    parts.network.load_state_dict(state["model"])
    if parts.average:
        parts.average.load_state_dict(state["average"])
    load_optimizer(parts.optimizer, state["optimizer"])
    parts.scaler.load_state_dict(state["scaler"])
    at.epoch, at.step, at.skipped = state["epoch"], state["step"], state["skipped"]
    at.history = state["history"]
    at.seconds = state.get("seconds", 0.0)  # of before it was kept
    if rank.is_main:
        weight = rank.world_size / state["world_size"]
        take_over(at.sums, weighted(state["sums"], len(parts.losses) + 1, weight))
        print(
            f"{job.name}: goes on from {path.name} (epoch {at.epoch}, step {at.step})", flush=True
        )
    if at.step and state["world_size"] == rank.world_size:
        at.random = state["random"][rank.rank]
    if rank.is_main:
        _enter_late(at, job)
    whole = whole_rows(at.history, due_steps(job.run_folder))
    for row in at.history[:whole]:  # kept, but not told when the training was cut off
        told = {name: value for name, value in row.items() if name not in ("epoch", "step")}
        listener.epoch(int(row["epoch"]), int(row["step"]), told)
    return at


def _read_alike(path: Path, rank: Rank) -> TensorState:
    """Rank 0's checkpoint, on every rank; rank 0 sends it where a rank's node has not this file."""
    found = path.stat() if path.is_file() else None
    stamp = (found.st_size, found.st_mtime_ns) if found else None
    if len(set(rank.gather(stamp))) == 1:
        return checkpoint.read_checkpoint(path)
    return rank.from_main(checkpoint.read_checkpoint(path) if rank.is_main else {})


def weighted(sums: Tensor, counted_by_rank: int, weight: float) -> Tensor:
    """Sums of other ranks, as if as many as now had made them: every step of an epoch weighs alike.

    Each rank adds its losses and a 1 for the step, `counted_by_rank` numbers; of keypoints found
    all ranks together count each once.
    """
    ours = sums.clone()
    ours[:counted_by_rank] *= weight
    return ours


def _enter_late(at: Position, job: Job) -> None:
    """Numbers that came after the checkpoint was written: they stand in manifests."""
    rows = {row["step"]: row for row in at.history}
    for manifest in checkpoint.read_manifests(job.run_folder):
        if manifest.late and manifest.step in rows:
            rows[manifest.step].update(manifest.late)


def is_due(epoch: int, recipe: Recipe) -> bool:
    """Whether the epoch (from 1) is validated when it ends."""
    return epoch % recipe.training.validate_every == 0 or epoch == recipe.training.epochs


def whole_rows(history: Sequence[Mapping[str, float]], waiting: Collection[int]) -> int:
    """How many rows come before the first that waits for its numbers; waiting: steps."""
    waits = (n for n, row in enumerate(history) if row["step"] in waiting)
    return next(waits, len(history))


def due_steps(run_folder: Path) -> set[int]:
    """Of epochs that are still to be validated, beside the training."""
    return {each.step for each in checkpoint.read_manifests(run_folder) if each.is_due}


def set_random(job: Job, rank: Rank, at: Position) -> None:
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


def share_buffers(rank: Rank, parts: Parts) -> None:
    """Running statistics of all ranks become rank 0's, as DDP does before each forward pass."""
    rank.share_buffers(parts.network)
    if parts.average:
        rank.share_buffers(parts.average.network)


def save_checkpoint(
    job: Job, rank: Rank, parts: Parts, feed: TrainingFeed, at: Position, listener: Listener
) -> None:
    """A checkpoint of all ranks' state; weights that are not finite are never kept."""
    rank.beat(f"keeps epoch {at.epoch}, step {at.step}")
    share_buffers(rank, parts)
    _refuse_not_finite(job, parts, at)
    sums = rank.total(at.sums.clone())
    random_states = rank.gather(checkpoint.random_state(rank.device))
    if not rank.is_main:
        return
    state = _state(job, parts, at) | {
        "run_id": listener.run_id,
        "world_size": rank.world_size,
        "sums": sums.cpu(),
        "random": random_states,
    }
    metrics = at.history[-1] if at.step == 0 else {}
    manifest = checkpoint.write_checkpoint(
        job.run_folder,
        state,
        fingerprint=job.fingerprint,
        epoch=at.epoch,
        step=at.epoch * feed.steps + at.step,
        metric=metrics.get(job.recipe.evaluation.monitor),
        keep_best=job.recipe.training.keep_best,
        code=job.code,
        due=at.due,
    )
    keep_best = job.recipe.training.keep_best
    checkpoint.tell_if_best(job.run_folder, manifest, keep_best, metrics, listener)


def _refuse_not_finite(job: Job, parts: Parts, at: Position) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in parts.network.state_dict().values()):
        raise TrainingStopped(
            f"{job.name}: epoch {at.epoch + 1}, step {at.step}: weights are not finite although "
            "the losses were; lower the learning rate or clip gradients (optimizer.clip_norm). "
            f"The last good checkpoint is kept in {checkpoint.checkpoint_folder(job.run_folder)}"
        )


def _state(job: Job, parts: Parts, at: Position) -> TensorState:
    """What a checkpoint holds, but for what the ranks know together."""
    return {
        "recipe": job.recipe.as_dict(),
        "name": job.name,
        "fingerprint": job.fingerprint,
        "data_hash": job.data_hash,
        "epoch": at.epoch,
        "step": at.step,
        "skipped": at.skipped,
        "seconds": at.seconds,
        "history": at.history,
        "model": parts.network.state_dict(),
        "average": parts.average.state_dict() if parts.average else None,
        "optimizer": parts.optimizer.state_dict(),
        "scaler": parts.scaler.state_dict(),
    }
