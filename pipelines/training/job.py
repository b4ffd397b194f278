"""One training as it is handed to every rank, who is told of it, and how it went."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipelines.recipe.schema import Recipe


class TrainingStopped(Exception):  # noqa: N818 - it tells what happened, as StopIteration does
    """Training cannot go on, on any rank; the last good checkpoint is kept."""


class LoaderError(RuntimeError):
    """A loader process was ended; started again, training goes on from its checkpoint."""


@dataclass(frozen=True)
class Job:
    """One training: recipe, data and where it writes (absolute), and what the machine can take.

    tiles: folder of photos in pieces, None or without any where the photos are read themselves;
    code: digest of what decides how it ends; trial: name of the experiment that it belongs to.
    """

    name: str
    recipe: Recipe
    fingerprint: str
    data_hash: str
    prepared: Path
    raw: Path
    run_folder: Path
    weights: Path | None = None
    max_batch_per_worker: int = 64
    loader_workers: int = 0
    threads: int = 1
    code: str = ""
    trial: str = ""
    tiles: Path | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        return self.recipe.size


class Listener(Protocol):
    """Who is told while the training runs; epochs count from 1, steps are optimizer steps."""

    @property
    def run_id(self) -> str | None: ...
    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None: ...
    def picture(self, path: Path, folder: str) -> None: ...
    def checkpoint(
        self, path: Path, epoch: int, metrics: dict[str, float], sha256: str
    ) -> None: ...


class SilentListener:
    """Of a rank that has nobody to tell."""

    run_id: str | None = None

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None: ...
    def picture(self, path: Path, folder: str) -> None: ...
    def checkpoint(
        self, path: Path, epoch: int, metrics: dict[str, float], sha256: str
    ) -> None: ...


@dataclass(frozen=True)
class TrainingSummary:
    """How it went: a row of `history` per epoch; `seconds` by part, of this process alone."""

    history: list[dict[str, float]]
    steps: int
    world_size: int
    skipped: int
    run_id: str | None
    seconds: dict[str, float]


def training_fingerprint(recipe: Recipe, data_hash: str, weights_sha256: str = "") -> str:
    """What a training is: of another recipe, data or start, no checkpoint is ever taken over."""
    return hashlib.sha256((recipe.digest() + data_hash + weights_sha256).encode()).hexdigest()
