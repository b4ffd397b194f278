"""Networks under results/RECIPE/trained: with random weights, or after a training in a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.intake.prepared import data_hash
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.build import build_architecture
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job, SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from pipelines.training.results import write_results


def save_trained(name: str, recipe: Recipe, **changes: Any) -> Path:
    """best.pt of a network with random weights, trained on what is prepared but for `changes`."""
    torch.manual_seed(0)
    state = build_architecture(recipe).state_dict()
    digest = changes.pop("data_hash", None) or data_hash(recipe.dataset)
    best = BestWeights(recipe.as_dict(), state, epoch=3, fingerprint="f" * 64, data_hash=digest)
    folder = places.trained(name)
    folder.mkdir(parents=True, exist_ok=True)
    replace(best, **changes).write(folder / places.BEST_WEIGHTS)
    (folder / "summary.json").write_text(json.dumps({"run_id": "r1"}))
    return folder / places.BEST_WEIGHTS


def train_in_place(name: str, recipe: Recipe, batch: int = 64) -> Path:
    """Trains on what is prepared, in this process; the folder that the train stage leaves."""
    digest, dataset = data_hash(recipe.dataset), recipe.dataset
    prepared, raw, folder = (
        places.prepared(dataset),
        places.raw(dataset),
        places.run(name, "f" * 64),
    )
    job = Job(name, recipe, "f" * 64, digest, prepared, raw, folder, max_batch_per_worker=batch)
    return write_results(job, train_loop(job, Rank(), SilentListener()), Clock())
