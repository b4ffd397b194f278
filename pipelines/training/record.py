"""summary.json and history.csv of results/RECIPE/trained: how a training or an import went."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.files.whole_file import write_text_whole
from data.ground.json_text import read_object
from pipelines.host import places
from pipelines.recipe.json_records import record_of
from pipelines.recipe.strict import LATER, as_plain_data

DO = "run `make repro` (RECIPE=... where params.yaml does not run it)"


@dataclass(frozen=True)
class ImportedFile:
    """Somebody's checkpoint: its name, what it holds as a digest, parts of it that were left."""

    file: str
    sha256: str
    bytes: int
    dropped: list[str]


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """What summary.json holds; of an import without what only a training has.

    metrics: of the best epoch, under their protocols; checkpoint: where it lay, below home;
    data_wait_share: of the epochs' time; hours: of the steps that led to the last epoch's weights,
    of all attempts, with checkpoints inside epochs; not of validation, of checkpoints between
    epochs, or of steps that were lost with an attempt (MLflow's `cost/worker_hours` counts all);
    seconds: by part of the training, of the last attempt.
    """

    recipe: str
    fingerprint: str
    recipe_digest: str
    data_hash: str
    run_id: str | None
    imported: ImportedFile | None = field(default=None, metadata=LATER)
    best_epoch: int
    checkpoint: str | None = field(default=None, metadata=LATER)
    checkpoint_sha256: str | None = field(default=None, metadata=LATER)
    metrics: dict[str, float] | None = field(default=None, metadata=LATER)
    epochs: int
    steps: int
    skipped_steps: int | None = field(default=None, metadata=LATER)
    world_size: int | None = field(default=None, metadata=LATER)
    samples_per_second: float | None = field(default=None, metadata=LATER)
    data_wait_share: float | None = field(default=None, metadata=LATER)
    hours: float | None = field(default=None, metadata=LATER)
    seconds: dict[str, float] | None = field(default=None, metadata=LATER)

    def write(self, folder: Path) -> None:
        content = json.dumps(as_plain_data(self), indent=1)
        write_text_whole(folder / places.TRAINING_SUMMARY, content)

    @classmethod
    def read(cls, folder: Path) -> TrainingRecord:
        """Raises ValueError where there is none, or one that lacks something."""
        path = folder / places.TRAINING_SUMMARY
        return record_of(cls, read_object(path, DO, DO), path, DO)


def has_training(folder: Path) -> bool:
    """Whether a training, or an import, left its results there."""
    return (folder / places.TRAINING_SUMMARY).is_file()


@dataclass(frozen=True)
class History:
    """A row per epoch; what was not measured in an epoch is missing in its row."""

    rows: Sequence[Mapping[str, float]]

    @property
    def columns(self) -> dict[str, list[float]]:
        """A value per epoch; NaN: none."""
        return {name: [row.get(name, math.nan) for row in self.rows] for name in self._names()}

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def write(self, folder: Path) -> None:
        with (folder / places.HISTORY).open("w", newline="") as file:
            writer = csv.DictWriter(file, self._names())
            writer.writeheader()
            writer.writerows(self.rows)

    @classmethod
    def read(cls, folder: Path) -> History:
        """Without rows where there is none: an import has none."""
        if not (folder / places.HISTORY).is_file():
            return cls([])
        with (folder / places.HISTORY).open(newline="") as file:
            rows = list(csv.DictReader(file))
        return cls([{name: _number(text) for name, text in row.items() if text} for row in rows])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
