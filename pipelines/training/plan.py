"""What a training will be: a job, or a refusal before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from data.ground.refusal import refusal
from pipelines.digests.deciding import training_code
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.prepared import data_hash
from pipelines.intake.tiled import tiles_folder
from pipelines.recipe.params import check_run
from pipelines.recipe.profile import Cluster
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.tracking.database import refuse_half_made
from pipelines.tracking.server import tracking_uri
from pipelines.training.batches import check_device
from pipelines.training.handed import HandedTraining
from pipelines.training.job import Job, training_fingerprint
from pipelines.training.memory import largest_batch
from pipelines.training.worlds import check_worlds

NOT_FETCHED = "not_fetched.json"  # stands for weights that an import has no use for


def make_job(name: str, cluster: Cluster, recipe: Recipe | None = None) -> Job:
    """Everything that can be wrong without training is refused here, in ValueErrors.

    recipe: what trains under that name, where it is not recipes/NAME.yaml.
    """
    recipe = recipe or load_recipe(name)
    check_run(name, recipe)
    refuse_half_made(tracking_uri())
    largest = fitting_batch(recipe, cluster)
    digest = data_hash(recipe.dataset)
    weights = find_weights(name, recipe)
    fingerprint = training_fingerprint(recipe, digest, file_digest(weights) if weights else "")
    job = _job(name, recipe, fingerprint, cluster, largest)
    return replace(
        job, data_hash=digest, weights=weights, code=training_code(recipe), trial=places.trial()
    )


def make_handed_job(handed: HandedTraining, cluster: Cluster) -> Job:
    """The job where the code is but no data are: by facts that `make_job` found where they are.

    Its folders are those of this home; none of them need be there. Raises ValueError where the
    recipe here is another one, or does not fit the cluster.
    """
    recipe = load_recipe(handed.name)
    if recipe.digest() != handed.recipe_digest:
        fault = "is not the recipe that was asked for (its digest differs)"
        do = f"run `python -m pipelines.submit {handed.name}` again where the data are"
        raise refusal(f"recipes/{handed.name}.yaml", fault=fault, do=do)
    largest = fitting_batch(recipe, cluster)
    job = _job(handed.name, recipe, handed.fingerprint, cluster, largest)
    weights = places.weights(handed.name) / handed.weights if handed.weights else None
    return replace(
        job, data_hash=handed.data_hash, weights=weights, code=handed.code, trial=handed.trial
    )


def fitting_batch(recipe: Recipe, cluster: Cluster) -> int:
    """Samples that a worker takes at once. Raises ValueError where the recipe cannot be cut so."""
    machine = cluster.machine
    largest = machine.max_batch_per_worker
    if machine.memory_gib is not None:
        largest = min(largest, largest_batch(recipe, machine.memory_gib))
    check_worlds(recipe.training.global_batch, machine, largest)
    check_device(recipe, torch.device("cuda" if machine.gpu else "cpu"))
    return largest


def _job(name: str, recipe: Recipe, fingerprint: str, cluster: Cluster, largest: int) -> Job:
    return Job(
        name=name,
        recipe=recipe,
        fingerprint=fingerprint,
        data_hash="",
        prepared=places.prepared(recipe.dataset),
        raw=places.raw(recipe.dataset),
        run_folder=places.run(name, fingerprint),
        max_batch_per_worker=largest,
        loader_workers=cluster.machine.most_loaders,
        threads=cluster.machine.threads,
        tiles=tiles_folder(recipe.dataset),
    )


def find_weights(name: str, recipe: Recipe) -> Path | None:
    """The file that fetch brought for the recipe's `pretrained`."""
    if recipe.pretrained is None:
        return None
    folder = places.weights(name)
    files = [p for p in sorted(folder.glob("*")) if p.is_file() and p.suffix != ".json"]
    if not files:
        raise refusal(
            folder,
            fault="no weights",
            do=f"run `python -m pipelines.fetch --weights {name}` to bring "
            f"{recipe.pretrained.source}, or take `pretrained` out of recipes/{name}.yaml to start "
            "without",
        )
    return files[0]
