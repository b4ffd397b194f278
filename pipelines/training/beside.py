"""An epoch's validation: by all ranks before the next epoch, or beside the training, elsewhere.

Beside it: the checkpoint of an epoch is written as due to be validated, its weights are handed to a
worker that is to spare, and the numbers are entered when they come: in that epoch's row of the
history, in the checkpoint's manifest, to the listener; epoch after epoch, so that all is told in
the order in which it would be without. They are those of one process, as all ranks' together are.
A checkpoint that is due is kept. What is due when a training is resumed is validated then; what
elsewhere cannot do, rank 0 does when it has trained.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from data.ground.refusal import masked, refusal
from pipelines.evaluation.pictures import draw_fields
from pipelines.host.progress import told_number
from pipelines.host.tensors import TensorState
from pipelines.training import checkpoint
from pipelines.training.job import Job, Listener, SilentListener
from pipelines.training.parts import Parts, build_parts
from pipelines.training.pictures import draw_predictions
from pipelines.training.rank import Rank
from pipelines.training.resume import Position, is_due, share_buffers, whole_rows
from pipelines.training.state_parts import WEIGHTS
from pipelines.training.validation import Validation, build_validation, validate

LOSSES = 2  # of what was handed over, until the training does it itself
POLL_S, PATIENCE_S = 1.0, 900.0  # for one validation, once the training is over


class LostError(Exception):
    """What was handed over will not come back: its node went, or the worker died."""


@dataclass(frozen=True)
class Measured:
    """An epoch's numbers, and its pictures: {folder as told: {file name: its bytes}}."""

    metrics: dict[str, float]
    pictures: Mapping[str, Mapping[str, bytes]]


class Pending(Protocol):
    def result(self, wait_s: float) -> Measured | None:
        """None: not there after so long. Raises LostError, ValueError for what was refused."""


class Elsewhere(Protocol):
    def start(self, job: Job, epoch: int, weights: TensorState) -> Pending:
        """`measure` on a worker that is to spare."""


def validate_epoch(
    job: Job, rank: Rank, parts: Parts, validation: Validation, at: Position, listener: Listener
) -> dict[str, float]:
    """The metrics of the epoch that just ended, the same on every rank."""
    share_buffers(rank, parts)
    metrics, predictions = validate(parts.best, validation, job, rank, parts.use, at.epoch)
    settings = job.recipe.evaluation
    if settings.monitor not in metrics:
        raise refusal(
            f"{job.name}: evaluation.monitor", given=settings.monitor, accepted=", ".join(metrics)
        )
    if rank.is_main:
        path = job.run_folder / "pictures" / f"epoch_{at.epoch:04d}.jpg"
        draw_predictions(path, predictions, validation, settings.keypoint_threshold)
        listener.picture(path, "predictions")
        path = job.run_folder / "pictures" / f"fields_{at.epoch:04d}.jpg"
        draw_fields(
            path, parts.best, parts.codec, validation.sample, rank.device, job.recipe.pixels
        )
        listener.picture(path, "fields")
    return metrics


class Pictures(SilentListener):
    """What a validation draws, as bytes."""

    def __init__(self) -> None:
        self.drawn: dict[str, dict[str, bytes]] = {}

    def picture(self, path: Path, folder: str) -> None:
        self.drawn.setdefault(folder, {})[path.name] = path.read_bytes()


def measure(job: Job, epoch: int, weights: TensorState, device: torch.device) -> Measured:
    """The epoch's validation by one process. weights: of the network that is validated."""
    torch.set_num_threads(job.threads)
    rank, pictures = Rank(device=device), Pictures()
    parts = build_parts(job, rank)
    parts.best.load_state_dict(weights)
    on, at = build_validation(job, rank), Position(epoch=epoch)
    with tempfile.TemporaryDirectory(prefix="limber-") as folder:
        job = replace(job, run_folder=Path(folder))
        return Measured(validate_epoch(job, rank, parts, on, at, pictures), pictures.drawn)


class Beside:
    """Who works the epochs' numbers out; on rank 0, which of them are still to come.

    Raises ValueError where the split has no people.
    """

    def __init__(
        self, job: Job, rank: Rank, listener: Listener, elsewhere: Elsewhere | None
    ) -> None:
        self._job, self._rank, self._listener, self._elsewhere = job, rank, listener, elsewhere
        self._on = None if elsewhere else build_validation(job, rank)
        self._queue: list[checkpoint.Manifest] = []
        self._running: Pending | None = None
        self._lost = 0
        self._told = 0

    def resume(self, at: Position) -> None:
        """Takes up what was due when the training was cut off."""
        manifests = checkpoint.read_manifests(self._job.run_folder) if self._rank.is_main else []
        steps = {row["step"] for row in at.history}
        due = [each for each in manifests if each.is_due and each.step in steps]
        self._queue = [each for each in due if self._is_whole(each)]
        self._told = self._whole(at)

    def numbers(self, parts: Parts, at: Position) -> dict[str, float]:
        """Of the epoch that just ended, by all ranks; {} where none are due, or they come later."""
        due = is_due(at.epoch, self._job.recipe)
        at.due = due and self._on is None
        if not due or self._on is None:
            return {}
        return validate_epoch(self._job, self._rank, parts, self._on, at, self._listener)

    def epoch_over(self, at: Position) -> None:
        """Its checkpoint is written: hands it over where it is due, and tells what is known."""
        if at.due and self._rank.is_main:
            manifests = checkpoint.read_manifests(self._job.run_folder)
            self._queue += [manifests[-1]] if manifests[-1].is_due else []
        at.due = False
        self._take(at, 0.0)
        self._tell(at)

    def finish(self, at: Position) -> None:
        """Waits for what is under way; what does not come rank 0 works out itself."""
        while self._queue:
            self._rank.beat(f"ends, waits for the numbers of epoch {self._queue[0].epoch}")
            waiting, end = len(self._queue), time.monotonic() + PATIENCE_S
            while len(self._queue) == waiting and self._helps() and time.monotonic() < end:
                self._rank.beat("waits for a validation")
                self._take(at, POLL_S)
            if len(self._queue) == waiting:
                self._do(at, self._queue[0])
        self._tell(at)

    def _helps(self) -> bool:
        return self._elsewhere is not None and self._lost < LOSSES

    def _take(self, at: Position, wait_s: float) -> None:
        """Enters what has come, epoch after epoch, and hands the next one over."""
        while self._queue and self._elsewhere and self._helps():
            manifest = self._queue[0]
            if self._running is None:
                weights = self._weights(manifest)
                self._running = self._elsewhere.start(self._job, manifest.epoch, weights)
            try:
                measured = self._running.result(wait_s)
            except LostError as error:
                self._lost, self._running = self._lost + 1, None
                again = "again" if self._helps() else "by rank 0 when it has trained"
                print(
                    masked(f"{self._job.name}: a validation was lost ({error}): {again}"),
                    flush=True,
                )
                continue
            if measured is None:
                return
            self._enter(at, manifest, measured)

    def _do(self, at: Position, manifest: checkpoint.Manifest) -> None:
        weights = self._weights(manifest)
        measured = measure(self._job, manifest.epoch, weights, self._rank.device)
        self._enter(at, manifest, measured)

    def _is_whole(self, manifest: checkpoint.Manifest) -> bool:
        path = checkpoint.checkpoint_folder(self._job.run_folder) / manifest.file
        ours = (self._job.fingerprint, self._job.code)
        reason = checkpoint.why_unusable(path, manifest, *ours, WEIGHTS)
        if reason:
            print(f"{path}: {reason}; its epoch is not validated", flush=True)
        return not reason

    def _weights(self, manifest: checkpoint.Manifest) -> TensorState:
        path = checkpoint.checkpoint_folder(self._job.run_folder) / manifest.file
        state = checkpoint.read_checkpoint(path)
        weights: TensorState = state["average"]["network"] if state["average"] else state["model"]
        return weights

    def _enter(self, at: Position, manifest: checkpoint.Manifest, measured: Measured) -> None:
        self._running, settings = None, self._job.recipe
        self._queue.pop(0)
        row = next(row for row in at.history if row["epoch"] == manifest.epoch)
        row.update(measured.metrics)
        monitor, folder = settings.evaluation.monitor, self._job.run_folder
        manifest = checkpoint.rate_checkpoint(folder, manifest, measured.metrics, monitor)
        self._draw(measured)
        checkpoint.tell_if_best(folder, manifest, settings.training.keep_best, row, self._listener)
        self._tell(at)
        number = told_number(monitor, row[monitor])
        print(f"{self._job.name}  epoch {manifest.epoch}: {monitor} {number}, beside", flush=True)

    def _draw(self, measured: Measured) -> None:
        for folder, drawn in measured.pictures.items():
            for name, content in drawn.items():
                path = self._job.run_folder / "pictures" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                self._listener.picture(path, folder)

    def _tell(self, at: Position) -> None:
        """Every row that is whole, in order: one that waits holds up those behind it."""
        whole = self._whole(at)
        for row in at.history[self._told : whole]:
            told = {name: value for name, value in row.items() if name not in ("epoch", "step")}
            self._listener.epoch(int(row["epoch"]), int(row["step"]), told)
        self._told = max(self._told, whole)

    def _whole(self, at: Position) -> int:
        return whole_rows(at.history, {each.step for each in self._queue})
