"""A finished training -> results/RECIPE/trained: best.pt, summary.json, history.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.host.progress import Clock, told_number
from pipelines.host.tensors import TensorState
from pipelines.prediction.best_weights import BestWeights
from pipelines.training import checkpoint
from pipelines.training.job import Job, TrainingSummary
from pipelines.training.record import History, TrainingRecord
from pipelines.training.state_parts import CHOSEN


def write_results(
    job: Job, summary: TrainingSummary, clock: Clock, folder: Path | None = None
) -> Path:
    """Fills results/<recipe>/trained, or `folder`, whole or not at all.

    clock: seconds of the driver.
    """
    chosen, state = _best(job)
    folder = folder or places.trained(job.name)
    model = state["average"]["network"] if state["average"] else state["model"]
    best = BestWeights(state["recipe"], model, chosen.epoch, job.fingerprint, job.data_hash)
    row = next(row for row in summary.history if row["epoch"] == chosen.epoch)
    record = _record(job, summary, chosen, row, clock)
    with whole_folder(folder) as part:
        best.write(part / places.BEST_WEIGHTS)
        History(summary.history).write(part)
        record.write(part)
    monitor = job.recipe.evaluation.monitor
    best_number = f"{monitor} {told_number(monitor, row[monitor])}"
    print(f"{job.name}: best epoch {chosen.epoch}, {best_number} -> {folder}")
    if better := _better(summary.history, row, monitor):
        number = told_number(monitor, better[monitor])
        print(
            f"{job.name}: epoch {better['epoch']:.0f} was better, {monitor} {number}, but its "
            "checkpoint is lost; to have its weights run `python -m pipelines.train "
            f"{job.name} --again`",
            flush=True,
        )
    return folder


def _better(
    history: Sequence[Mapping[str, float]], row: Mapping[str, float], monitor: str
) -> Mapping[str, float] | None:
    """The best of the epochs that have more than the row's number; None where there is none."""
    above = [each for each in history if each.get(monitor, -math.inf) > row[monitor]]
    return max(above, key=lambda each: each[monitor], default=None)


def _best(job: Job) -> tuple[checkpoint.Manifest, TensorState]:
    """The best checkpoint that is whole."""
    manifests = checkpoint.read_manifests(job.run_folder)
    for manifest in checkpoint.best_manifests(manifests, len(manifests)):
        path = checkpoint.checkpoint_folder(job.run_folder) / manifest.file
        if reason := checkpoint.why_unusable(path, manifest, job.fingerprint, job.code, CHOSEN):
            print(f"{path}: {reason}; taking the next best", flush=True)
            continue
        return manifest, checkpoint.read_checkpoint(path)
    raise refusal(
        job.run_folder,
        fault="holds no good checkpoint with a validated epoch",
        do="remove the folder and train again",
    )


def _record(
    job: Job,
    summary: TrainingSummary,
    chosen: checkpoint.Manifest,
    row: dict[str, float],
    clock: Clock,
) -> TrainingRecord:
    rates = [each["samples_per_second"] for each in summary.history]
    waits = [each["data_wait_share"] for each in summary.history]
    seconds = {**clock.seconds, **summary.seconds}
    best = checkpoint.checkpoint_folder(job.run_folder) / chosen.file
    return TrainingRecord(
        recipe=job.name,
        fingerprint=job.fingerprint,
        recipe_digest=job.recipe.digest(),
        data_hash=job.data_hash,
        run_id=summary.run_id,
        best_epoch=chosen.epoch,
        checkpoint=f"{places.RUNS}/{best.relative_to(job.run_folder.parent).as_posix()}",
        checkpoint_sha256=chosen.sha256,
        metrics={name: value for name, value in row.items() if "@" in name},
        epochs=len(summary.history),
        steps=summary.steps,
        skipped_steps=summary.skipped,
        world_size=summary.world_size,
        samples_per_second=round(len(rates) / sum(1 / rate for rate in rates), 2),
        data_wait_share=round(sum(waits) / len(waits), 4),
        hours=round(sum(each["seconds"] for each in summary.history) / 3600, 4),
        seconds={part: round(value, 2) for part, value in seconds.items()},
    )
