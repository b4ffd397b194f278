"""Networks under results/RECIPE/trained: with random weights, or after a training in a test."""

from __future__ import annotations

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
from pipelines.training.record import TrainingRecord
from pipelines.training.results import write_results


def save_trained(name: str, recipe: Recipe, **changes: Any) -> Path:
    """best.pt of a network with random weights, trained on what is prepared but for `changes`."""
    torch.manual_seed(0)
    state = build_architecture(recipe).state_dict()
    digest = changes.pop("data_hash", None) or data_hash(recipe.dataset)
    best = BestWeights(recipe.as_dict(), state, epoch=3, fingerprint="f" * 64, data_hash=digest)
    folder = places.trained(name)
    folder.mkdir(parents=True, exist_ok=True)
    best = replace(best, **changes)
    best.write(places.best_weights(name))
    TrainingRecord(
        recipe=name,
        fingerprint=best.fingerprint,
        recipe_digest=recipe.digest(),
        data_hash=digest,
        run_id="r1",
        best_epoch=best.epoch,
        epochs=3,
        steps=30,
    ).write(folder)
    return places.best_weights(name)


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
