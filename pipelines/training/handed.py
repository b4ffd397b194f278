"""What a training is, in words that travel: for a driver that has the code but no data."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from dataclasses import dataclass

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.recipe.profile import Cluster
from pipelines.training.job import Job

VARIABLE = "LIMBER_TRAINING"  # of a job's environment: a training as JSON


@dataclass(frozen=True)
class HandedTraining:
    """Facts of a job that whoever has its data found out.

    profile: the cluster's, never `auto`; workers: instead of the profile's number; grows: nodes
    come on demand; anew: as of `Cluster`; python: its version where the training was asked for.
    """

    name: str
    recipe_digest: str
    fingerprint: str
    data_hash: str
    weights: str  # name of the file; "" where it starts from none
    weights_sha256: str
    code: str
    trial: str
    profile: str
    workers: int | None
    grows: bool
    anew: str
    python: str

    def as_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def hand(job: Job, cluster: Cluster, workers: int | None = None) -> HandedTraining:
    """The facts of a job that `make_job` made."""
    return HandedTraining(
        name=job.name,
        recipe_digest=job.recipe.digest(),
        fingerprint=job.fingerprint,
        data_hash=job.data_hash,
        weights=job.weights.name if job.weights else "",
        weights_sha256=file_digest(job.weights) if job.weights else "",
        code=job.code,
        trial=job.trial,
        profile=cluster.profile,
        workers=workers,
        grows=cluster.grows,
        anew=cluster.anew,
        python=platform.python_version(),
    )


def handed_training(name: str) -> HandedTraining | None:
    """What `$LIMBER_TRAINING` says; None where it is not set.

    Raises ValueError where it is none, of another recipe, or of another version of Python.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        handed = HandedTraining(**json.loads(text))
    except (TypeError, ValueError) as error:
        accepted = "what `python -m pipelines.submit RECIPE` hands to a job"
        raise refusal(f"${VARIABLE}", fault=str(error), accepted=accepted) from error
    if handed.name != name:
        raise refusal(f"${VARIABLE}", given=handed.name, accepted=name)
    ours = platform.python_version()
    if ours.rpartition(".")[0] != handed.python.rpartition(".")[0]:
        raise refusal(
            "Python of the cluster",
            given=ours,
            accepted=f"{handed.python.rpartition('.')[0]}, as where the training was asked for",
            do="give both the same (the cluster's image, or this environment)",
        )
    return handed
