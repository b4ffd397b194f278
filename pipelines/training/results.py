"""A finished training -> results/RECIPE/trained: best.pt, summary.json, history.csv."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from pipelines.host import places
from pipelines.host.folders import TensorState, save_tensors, whole_folder
from pipelines.host.progress import Clock
from pipelines.training import checkpoint
from pipelines.training.job import Job, TrainingSummary

FINISHED = "finished.json"  # in a run folder: its results are written


def set_aside(run_folder: Path) -> None:
    """A training that is finished and asked for again starts afresh: the old one gets a number."""
    if not (run_folder / FINISHED).is_file():
        return
    number = 1
    while (old := run_folder.with_name(f"{run_folder.name}.{number}")).exists():
        number += 1
    run_folder.rename(old)
    print(f"{run_folder.name}: was finished; trained again, the old run is {old.name}", flush=True)


def write_results(job: Job, summary: TrainingSummary, clock: Clock) -> Path:
    """Fills results/<recipe>/trained, whole or not at all. `clock`: seconds of the driver."""
    chosen, state = _best(job)
    folder = places.trained(job.name)
    model = state["average"]["network"] if state["average"] else state["model"]
    best = {
        "recipe": state["recipe"],
        "model": model,
        "epoch": chosen.epoch,
        "fingerprint": job.fingerprint,
        "data_hash": job.data_hash,
    }
    row = next(row for row in summary.history if row["epoch"] == chosen.epoch)
    content = _summary(job, summary, chosen, row, clock)
    with whole_folder(folder) as part:
        save_tensors(part / "best.pt", best)
        _write_history(part / "history.csv", summary.history)
        write_text_whole(part / "summary.json", json.dumps(content, indent=1))
    monitor = job.recipe.evaluation.monitor
    print(f"{job.name}: best epoch {chosen.epoch}, {monitor} {row[monitor]:.3f} -> {folder}")
    return folder


def _best(job: Job) -> tuple[checkpoint.Manifest, TensorState]:
    """The best checkpoint that is whole."""
    found = checkpoint.manifests(job.run_folder)
    for manifest in checkpoint.best(found, len(found)):
        path = checkpoint.folder_of(job.run_folder) / manifest.file
        if reason := checkpoint.unusable(path, manifest, job.fingerprint):
            print(f"{path}: {reason}; taking the next best", flush=True)
            continue
        return manifest, checkpoint.read_checkpoint(path)
    raise ValueError(f"{job.run_folder}: holds no good checkpoint with a validated epoch; remove "
                     "the folder and train again")  # fmt: skip


def _summary(
    job: Job,
    summary: TrainingSummary,
    chosen: checkpoint.Manifest,
    row: dict[str, float],
    clock: Clock,
) -> dict[str, Any]:
    rates = [each["samples_per_second"] for each in summary.history]
    waits = [each["data_wait_share"] for each in summary.history]
    seconds = {**clock.seconds, **summary.seconds}
    return {
        "recipe": job.name,
        "fingerprint": job.fingerprint,
        "recipe_digest": job.recipe.digest(),
        "data_hash": job.data_hash,
        "run_id": summary.run_id,
        "best_epoch": chosen.epoch,
        "checkpoint": f"runs/{job.run_folder.name}/checkpoints/{chosen.file}",
        "checkpoint_sha256": chosen.sha256,
        "metrics": {name: value for name, value in row.items() if "@" in name},
        "epochs": len(summary.history),
        "steps": summary.steps,
        "skipped_steps": summary.skipped,
        "world_size": summary.world_size,
        "samples_per_second": round(len(rates) / sum(1 / rate for rate in rates), 2),
        "data_wait_share": round(sum(waits) / len(waits), 4),
        "hours": round(sum(each["seconds"] for each in summary.history) / 3600, 4),
        "seconds": {part: round(value, 2) for part, value in seconds.items()},
    }


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    """One row per epoch; what was not measured in an epoch is left empty."""
    names = list(dict.fromkeys(name for row in history for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
