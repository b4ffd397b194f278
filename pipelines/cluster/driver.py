"""What the process that drives a training begins with, in a checkout or as a cluster's job."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from data.ground.refusal import refusal
from pipelines.cluster.addresses import inside_a_job
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Cluster, read_cluster
from pipelines.recipe.schema import Recipe
from pipelines.recipe.storage import read_storage
from pipelines.training.handed import handed_training
from pipelines.training.job import Job
from pipelines.training.plan import make_handed_job, make_job


def planned(
    name: str, workers: int | None = None, recipe: Recipe | None = None
) -> tuple[Job, Cluster]:
    """The job, by what was handed to a cluster's job, else by what lies here; and the cluster.

    workers: instead of the profile's number; recipe: what trains under that name, where it is not
    recipes/NAME.yaml. Raises ValueError for all that can be wrong before anything starts.
    """
    params = load_params()
    if not inside_a_job():
        cluster = read_cluster(params, torch.cuda.device_count(), workers)
        return make_job(name, cluster, recipe), cluster
    handed = handed_training(name)
    told: dict[str, Any] = {"address": None}  # Ray says itself where the cluster of its job is
    if handed is None:  # somebody's own `ray job submit`, where all nodes see the home
        cluster = read_cluster(_with(params, told), torch.cuda.device_count(), workers)
        return make_job(name, cluster, recipe), cluster
    cluster = read_cluster(_with(params, told | {"profile": handed.profile}), 0, handed.workers)
    storage = read_storage(params)
    cluster = replace(cluster, grows=handed.grows, anew=handed.anew, storage=storage, fitted=True)
    job = make_handed_job(handed, cluster)
    if storage is None and (problem := unseen_home(job)):
        raise ValueError(problem)
    return job, cluster


def _with(params: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return {**params, "cluster": {**params["cluster"], **told}}


def unseen_home(job: Job) -> str:
    """What is wrong where this node lacks the folders that the training reads; "" where nothing."""
    missing = [path for path in (job.prepared, job.raw, job.weights) if path and not path.exists()]
    return str(_unseen(missing[0])) if missing else ""


def _unseen(path: Path) -> ValueError:
    return refusal(
        f"node {socket.gethostname()}",
        fault=f"does not see {path}",
        do="let all nodes see that folder, or set `storage` in params.yaml (s3://bucket/prefix), "
        "by which they are brought what they need",
    )
