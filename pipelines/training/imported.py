"""Somebody's checkpoint -> results/RECIPE/trained as a training leaves it, with its own run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from models.weights import State, load_whole, read_state_dict
from pipelines.host import places
from pipelines.host.folders import file_digest, save_tensors, whole_folder
from pipelines.host.processes import run_lock
from pipelines.intake.prepared import data_hash
from pipelines.recipe.build import build_architecture
from pipelines.recipe.schema import Recipe
from pipelines.tracking.runs import open_run
from pipelines.training.job import fingerprint

PATIENCE_S = 60.0  # for MLflow, which first makes its tables where there are none


@dataclass(frozen=True)
class Imported:
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
        trained = fingerprint(self.recipe, self.data_hash, self.sha256)
        return hashlib.sha256(f"imported {trained} {self.dropped}".encode()).hexdigest()


def import_weights(
    file: Path, name: str, recipe: Recipe, drop: Sequence[str] = (), *, replace: bool = False
) -> Path:
    """Fills results/<name>/trained, whole or not at all, and logs the import as a run of its own.

    Raises ValueError for a file of another network, data that is not prepared, and, without
    `replace`, where a training's results lie.
    """
    refuse_trained(name, replace)
    state = without(read_state_dict(file), drop, file)
    network = build_architecture(recipe)
    load_whole(network, state, str(file))
    digest = data_hash(recipe.dataset, ": the weights are evaluated on it")
    found = Imported(name, recipe, file, file_digest(file), digest, tuple(drop))
    return write_imported(found, network.state_dict())


def refuse_trained(name: str, replace: bool) -> None:
    """Weeks of training are not overwritten by the way."""
    note = places.trained(name) / "summary.json"
    if replace or not note.is_file() or "imported" in json.loads(note.read_text()):
        return
    raise ValueError(
        f"{note.parent}: holds the results of a training; accepted: --replace to put the imported "
        "weights there (its checkpoints in runs/ stay)"
    )


def without(state: State, drop: Sequence[str], file: Path) -> State:
    """The state without the keys below any of the prefixes. Raises ValueError for a useless one."""
    for prefix in drop:
        if not any(key.startswith(f"{prefix}.") for key in state):
            parts = sorted({key.split(".")[0] for key in state})
            raise ValueError(f"--drop: given {prefix!r}, which {file} lacks; it holds "
                             f"{', '.join(parts)}")  # fmt: skip
    prefixes = tuple(f"{prefix}." for prefix in drop)
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def write_imported(found: Imported, state: State) -> Path:
    folder = places.trained(found.name)
    best = {
        "recipe": found.recipe.as_dict(),
        "model": state,
        "epoch": 0,
        "fingerprint": found.fingerprint,
        "data_hash": found.data_hash,
    }
    with whole_folder(folder) as part:
        save_tensors(part / "best.pt", best)
        run_id = log_import(found, folder / "best.pt", file_digest(part / "best.pt"))
        content = json.dumps(import_summary(found, run_id), indent=1)
        write_text_whole(part / "summary.json", content)
    print(f"{found.name}: {len(state)} tensors of {found.file.name} -> {folder}", flush=True)
    return folder


def import_summary(found: Imported, run_id: str | None) -> dict[str, Any]:
    """As of a training, but nothing was trained: no epochs, no rates, no history beside it."""
    return {
        "recipe": found.name,
        "fingerprint": found.fingerprint,
        "recipe_digest": found.recipe.digest(),
        "data_hash": found.data_hash,
        "run_id": run_id,
        "imported": source(found),
        "best_epoch": 0,
        "epochs": 0,
        "steps": 0,
    }


def source(found: Imported) -> dict[str, Any]:
    size = found.file.stat().st_size
    about = {"file": found.file.name, "sha256": found.sha256, "bytes": size}
    return about | {"dropped": list(found.dropped)}


def log_import(found: Imported, checkpoint: Path, sha256: str) -> str | None:
    """Id of its MLflow run; None where no server answers (the outbox keeps what there is)."""
    folder = places.run(found.name, found.fingerprint)
    tags = {
        "recipe": found.name,
        "recipe_digest": found.recipe.digest(),
        "data_hash": found.data_hash,
        "dataset": found.recipe.dataset,
        "imported_file": found.file.name,
        "imported_sha256": found.sha256,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        params = found.recipe.as_dict()
        log = open_run(found.name, found.fingerprint, folder, params=params, tags=tags)
        log.checkpoint(checkpoint, 0, {}, sha256)
        log.close("FINISHED", PATIENCE_S)
    return log.run_id
