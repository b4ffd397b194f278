"""What a training will be: a job, or a refusal before anything starts."""

from __future__ import annotations

from pathlib import Path

import torch

from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.prepared import data_hash
from pipelines.recipe.params import check_run
from pipelines.recipe.profile import Cluster
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.tracking.server import tracking_uri
from pipelines.training.batches import check_device, plan_batches
from pipelines.training.job import Job, fingerprint


def make_job(name: str, cluster: Cluster) -> Job:
    """Everything that can be wrong without training is refused here, in ValueErrors."""
    recipe = load_recipe(name)
    check_run(name, recipe)
    tracking_uri()
    machine = cluster.machine
    plan_batches(recipe.training.global_batch, machine.workers, machine.max_batch_per_worker)
    check_device(recipe, torch.device("cuda" if machine.gpu else "cpu"))
    digest = data_hash(recipe.dataset)
    weights = _weights(name, recipe)
    mark = fingerprint(recipe, digest, file_digest(weights) if weights else "")
    return Job(
        name=name,
        recipe=recipe,
        fingerprint=mark,
        data_hash=digest,
        prepared=places.prepared(recipe.dataset),
        raw=places.raw(recipe.dataset),
        run_folder=places.run(name, mark),
        weights=weights,
        max_batch_per_worker=machine.max_batch_per_worker,
        loader_workers=machine.loader_workers,
        threads=machine.threads,
    )


def _weights(name: str, recipe: Recipe) -> Path | None:
    """The file that fetch brought for the recipe's `pretrained`."""
    if recipe.pretrained is None:
        return None
    folder = places.weights(name)
    found = [p for p in sorted(folder.glob("*")) if p.is_file() and p.suffix != ".json"]
    if not found:
        raise ValueError(
            f"{folder}: no weights; run `dvc repro weights@{name}` to bring "
            f"{recipe.pretrained.source}, or take `pretrained` out of recipes/{name}.yaml to "
            "start without"
        )
    return found[0]
