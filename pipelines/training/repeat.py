"""A recipe trained and evaluated on a seed of one's choice, in this process and outside DVC.

In: a recipe, its prepared data set and weights. Out: runs/control/RECIPE-SEED-FINGERPRINT with
checkpoints, trained/ and evaluation/. What is finished is found there again, what was interrupted
goes on; another recipe, data set, start or deciding code is another folder.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipelines.evaluation.folder import EvaluationFolder, read_evaluation
from pipelines.evaluation.measure import write_evaluation
from pipelines.evaluation.record import Identity, has_evaluation
from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.prediction.trained import load_trained
from pipelines.recipe.profile import Cluster
from pipelines.recipe.schema import Recipe
from pipelines.training.attempt import run_rank, train_in_this_process
from pipelines.training.job import Job, SilentListener, TrainingStopped
from pipelines.training.load import SilentTeller
from pipelines.training.plan import make_job
from pipelines.training.rank import Rank
from pipelines.training.results import write_results


class Untracked(SilentListener, SilentTeller):
    """A training that nobody is told of: checkpoints in its folder are all that it leaves."""

    def close(self, status: str, patience: float) -> None: ...


def repeat_job(name: str, recipe: Recipe, seed: int, cluster: Cluster, code: str = "") -> Job:
    """The recipe's training with that seed; code: a digest of what decides how it ends.

    Raises ValueError for all that can be wrong before it starts.
    """
    job = make_job(name, cluster, replace(recipe, seed=seed))
    fingerprint = hashlib.sha256((job.fingerprint + code).encode()).hexdigest()
    folder = places.control(name, seed, fingerprint)
    return replace(job, name=f"{name} seed {seed}", fingerprint=fingerprint, run_folder=folder)


def evaluated(job: Job, name: str, cluster: Cluster) -> EvaluationFolder:
    """The evaluation of a job, which is trained first where it is not yet.

    Raises TrainingStopped where its losses are not finite, ValueError where it is refused.
    """
    folder, trained = job.run_folder / "evaluation", job.run_folder / "trained"
    if has_evaluation(folder):
        print(f"{job.name}: was trained and evaluated: {job.run_folder}", flush=True)
        return read_evaluation(folder)
    if not (trained / places.TRAINING_SUMMARY).is_file():
        train(job, cluster, trained)
    network = load_trained(trained / places.BEST_WEIGHTS, name, job.recipe)
    write_evaluation(network, folder, Identity(name, None))
    return read_evaluation(folder)


def train(job: Job, cluster: Cluster, folder: Path) -> None:
    """Fills `folder` as the train stage does; MLflow is not told."""
    outcome = train_in_this_process(job, cluster, partial(run_rank, open_log=untracked))
    if outcome.summary is None:
        raise TrainingStopped(outcome.error) if outcome.stopped else ValueError(outcome.error)
    write_results(job, outcome.summary, Clock(), folder)


def untracked(job: Job, rank: Rank) -> Untracked:
    return Untracked()
