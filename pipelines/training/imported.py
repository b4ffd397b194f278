"""Somebody's checkpoint -> results/RECIPE/trained as a training leaves it, with its own run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.ground.refusal import refusal
from models.weight_files import read_state_dict
from models.weight_layouts import State
from models.weights import load_whole
from pipelines.host import places
from pipelines.host.folders import file_digest, whole_folder
from pipelines.host.processes import run_lock
from pipelines.intake.prepared import data_hash
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.build import build_architecture
from pipelines.recipe.schema import Recipe
from pipelines.tracking.runs import open_run
from pipelines.training.job import training_fingerprint
from pipelines.training.plan import NOT_FETCHED
from pipelines.training.record import ImportedFile, TrainingRecord, has_training

PATIENCE_S = 60.0  # for MLflow, which first makes its tables where there are none


@dataclass(frozen=True)
class ImportedWeights:
    """What is written down of an import: the recipe it fills, the file, the data it will meet."""

    name: str
    recipe: Recipe
    file: Path
    sha256: str
    data_hash: str
    dropped: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Never that of a training, also of one that starts from the same file."""
        trained = training_fingerprint(self.recipe, self.data_hash, self.sha256)
        return hashlib.sha256(f"imported {trained} {self.dropped}".encode()).hexdigest()

    def record(self, run_id: str | None) -> TrainingRecord:
        """As of a training, but nothing was trained: no epochs, no rates, no history beside it."""
        return TrainingRecord(
            recipe=self.name,
            fingerprint=self.fingerprint,
            recipe_digest=self.recipe.digest(),
            data_hash=self.data_hash,
            run_id=run_id,
            imported=ImportedFile(
                self.file.name, self.sha256, self.file.stat().st_size, list(self.dropped)
            ),
            best_epoch=0,
            epochs=0,
            steps=0,
        )


Log = Callable[[ImportedWeights, Path, str], str | None]  # an import, its best.pt and sha256 -> run


def log_import(imported: ImportedWeights, checkpoint: Path, sha256: str) -> str | None:
    """Id of its MLflow run; None where no server answers (the outbox keeps what there is)."""
    folder = places.run(imported.name, imported.fingerprint)
    tags = {
        "recipe": imported.name,
        "recipe_digest": imported.recipe.digest(),
        "data_hash": imported.data_hash,
        "dataset": imported.recipe.dataset,
        "imported_file": imported.file.name,
        "imported_sha256": imported.sha256,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        params = imported.recipe.as_dict()
        log = open_run(imported.name, imported.fingerprint, folder, params=params, tags=tags)
        log.checkpoint(checkpoint, 0, {}, sha256)
        log.close("FINISHED", PATIENCE_S)
    return log.run_id


def import_weights(
    file: Path,
    name: str,
    recipe: Recipe,
    drop: Sequence[str] = (),
    *,
    replace: bool = False,
    log: Log = log_import,
) -> Path:
    """Fills results/<name>/trained, whole or not at all, and logs the import as a run of its own.

    Raises ValueError for a file of another network, data that is not prepared, and, without
    `replace`, where a training's results lie.
    """
    refuse_trained(name, replace)
    state = state_without(read_state_dict(file), drop, file)
    network = build_architecture(recipe)
    print(load_whole(network, state, str(file)), flush=True)
    digest = data_hash(recipe.dataset, ": the weights are evaluated on it")
    imported = ImportedWeights(name, recipe, file, file_digest(file), digest, tuple(drop))
    return write_imported(imported, network.state_dict(), log)


def note_unfetched(name: str) -> None:
    """A note in the recipe's folder of weights to start from, unless they were fetched before."""
    folder = places.weights(name)
    if folder.is_dir() and any(folder.iterdir()):
        return
    with whole_folder(folder) as part:
        (part / NOT_FETCHED).write_text('{"imported": true}\n')


def refuse_trained(name: str, replace: bool) -> None:
    """Weeks of training are not overwritten by the way."""
    folder = places.trained(name)
    if replace or not has_training(folder) or TrainingRecord.read(folder).imported:
        return
    raise refusal(
        folder,
        fault="holds the results of a training",
        accepted="--replace to put the imported weights there (its checkpoints in runs/ stay)",
    )


def state_without(state: State, drop: Sequence[str], file: Path) -> State:
    """The state without the keys below any of the prefixes. Raises ValueError for a useless one."""
    for prefix in drop:
        if not any(key.startswith(f"{prefix}.") for key in state):
            parts = sorted({key.split(".")[0] for key in state})
            raise ValueError(
                f"--drop: given {prefix!r}, which {file} lacks; it holds {', '.join(parts)}"
            )
    prefixes = tuple(f"{prefix}." for prefix in drop)
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def write_imported(imported: ImportedWeights, state: State, log: Log = log_import) -> Path:
    folder = places.trained(imported.name)
    best = BestWeights(
        imported.recipe.as_dict(), state, 0, imported.fingerprint, imported.data_hash
    )
    with whole_folder(folder) as part:
        best.write(part / places.BEST_WEIGHTS)
        digest = file_digest(part / places.BEST_WEIGHTS)
        run_id = log(imported, places.best_weights(imported.name), digest)
        imported.record(run_id).write(part)
    print(f"{imported.name}: {len(state)} tensors of {imported.file.name} -> {folder}", flush=True)
    return folder
