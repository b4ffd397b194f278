"""Somebody's checkpoint -> results/RECIPE as a training leaves it, evaluated and registered.

    python -m pipelines.import_weights FILE RECIPE [--drop PREFIX ...] [--replace]

FILE: torch or safetensors; the weights bare, under `state_dict` or `model`, with or without the
prefixes of wrappers. It must fill the recipe's network whole and hold nothing else; --drop names
parts of it that the recipe has no use for (`refinement_stages.1`). The network is fed as the recipe
says: weights that were trained on BGR images need a recipe with `pixels: imagenet_bgr`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.whole_file import write_text_whole
from models.weights import State, load_whole, read_state_dict
from pipelines import places
from pipelines.check import build_architecture
from pipelines.checkpoint import alone, write_whole
from pipelines.folders import file_digest, whole_folder
from pipelines.job import fingerprint
from pipelines.prepared import data_hash
from pipelines.recipe import Recipe, add_to_run, load_recipe
from pipelines.road import DVC, run
from pipelines.tracking import open_run

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


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.import_weights")
    parser.add_argument("file", type=Path, help="a checkpoint: torch or safetensors")
    parser.add_argument("recipe", help="whose network the weights are of")
    parser.add_argument("--drop", nargs="+", default=[], metavar="PREFIX", help="parts to leave")
    parser.add_argument("--replace", action="store_true", help="also where a training's lie")
    given = parser.parse_args(argv)
    try:
        recipe = load_recipe(given.recipe)
        import_weights(given.file, given.recipe, recipe, given.drop, replace=given.replace)
        add_to_run(given.recipe, recipe)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return follow(given.recipe)


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
        write_whole(part / "best.pt", best)
        run_id = log_import(found, folder / "best.pt", file_digest(part / "best.pt"))
        content = json.dumps(summary(found, run_id), indent=1)
        write_text_whole(part / "summary.json", content)
    print(f"{found.name}: {len(state)} tensors of {found.file.name} -> {folder}", flush=True)
    return folder


def summary(found: Imported, run_id: str | None) -> dict[str, Any]:
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
    with alone(folder):
        params = found.recipe.as_dict()
        log = open_run(found.name, found.fingerprint, folder, params=params, tags=tags)
        log.checkpoint(checkpoint, 0, {}, sha256)
        log.close("FINISHED", PATIENCE_S)
    return log.run_id


def follow(name: str) -> int:
    """Evaluates, compares, promotes; the exit code of the first of them that fails.

    DVC is told that `train` is done, so that `dvc repro` trains nothing over the weights.
    """
    if places.home() != places.REPOSITORY or not (places.REPOSITORY / ".dvc").is_dir():
        stages = (["evaluate", name], ["compare"], ["promote"])
        commands = [[sys.executable, "-m", f"pipelines.{stage}", *rest] for stage, *rest in stages]
    else:
        told = run([*DVC, "repro", "--single-item", "code", f"weights@{name}"]) or run(
            [*DVC, "commit", "--force", f"train@{name}"]
        )
        if told:
            print(f"DVC does not know of the import: `dvc repro train@{name}` would train anew; "
                  f"`dvc commit --force train@{name}` tells it", file=sys.stderr)  # fmt: skip
        last = [f"evaluate@{name}", "compare", "promote"]
        commands = [[*DVC, "repro", "--single-item", stage] for stage in last]
    return next((code for command in commands if (code := run(command))), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
