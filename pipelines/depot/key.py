"""What a training is called where machines meet: in the store, and as a job of a cluster."""

from __future__ import annotations

import hashlib

from pipelines.training.job import Job

RUNS = "runs"


def run_key(job: Job) -> str:
    """`RECIPE-` and twelve letters of recipe, data, weights and deciding code.

    Other code is another key, so that no checkpoint of the one is ever brought to the other.
    """
    return f"{job.name}-{hashlib.sha256((job.fingerprint + job.code).encode()).hexdigest()[:12]}"


def run_prefix(key: str) -> str:
    """Begin of the names that all files of a training have in the store."""
    return f"{RUNS}/{key}/"
