"""A training whose nodes share nothing but a store: on the driver's node, and on each rank's."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from data.files.whole_file import write_text_whole
from pipelines.depot.inputs import bring
from pipelines.depot.key import run_key
from pipelines.depot.mirrored import run_mirrored
from pipelines.depot.results import leave_results, stored_finish
from pipelines.host import places
from pipelines.host.processes import run_lock
from pipelines.host.progress import Clock
from pipelines.store.node_cache import open_node_cache
from pipelines.store.opening import open_store
from pipelines.store.settings import use_s3_settings
from pipelines.store.store import Store
from pipelines.training.attempt import Outcome
from pipelines.training.job import Job, TrainingStopped
from pipelines.training.rank import Rank

BEGUN = "begun"  # in a run folder: which wish to train anew it is of


class Handed(NamedTuple):
    """What a driver tells its ranks beside the job; auto_loaders: as of `Profile`, the rest: as of
    `Cluster`."""

    attempt: str
    stall_s: float
    storage: str | None
    cache_gib: float
    anew: str
    auto_loaders: bool = False


def reached(storage: str) -> Store:
    """The store of that address, by the settings of S3 that hold here."""
    use_s3_settings()
    return open_store(storage)


def brought(job: Job, rank: Rank, handed: Handed) -> tuple[Job, str]:
    """(the job with this node's own folders, what went wrong on any node): the node is brought what
    it lacks, and all ranks wait for all."""
    problem = ""
    try:
        job = on_this_node(job, handed)
        if rank.is_main:
            begin_anew(job.run_folder, handed.anew)
    except (ValueError, OSError) as error:
        problem = f"node {socket.gethostname()}: {error}"
    _wait_for_all()
    return job, next(filter(None, rank.gather(problem)), "")


def on_this_node(job: Job, handed: Handed) -> Job:
    """The job with this node's own folders, once the node has what it lacked.

    Raises ValueError as `depot.inputs.bring`.
    """
    store = reached(handed.storage or "")
    return bring(store, at_home(job), open_node_cache(handed.cache_gib))


def train_mirrored(job: Job, rank: Rank, handed: Handed, **how: Any) -> Outcome:
    """how: what `run_rank` takes."""
    return run_mirrored(job, rank, handed.attempt, reached(handed.storage or ""), **how)


def _wait_for_all() -> None:
    """Without a limit, which collectives have: a node may be brought many gigabytes."""
    from ray.train.collective import barrier

    barrier()


def at_home(job: Job) -> Job:
    """The job with the run folder of this node: the driver's need not be there."""
    return replace(job, run_folder=places.run(job.name, job.fingerprint))


def begin_anew(run_folder: Path, anew: str) -> None:
    """What lies there and is of no or another wish to train anew gets a number."""
    marker = run_folder / BEGUN
    if not anew or (marker.is_file() and marker.read_text() == anew):
        return
    if run_folder.is_dir():
        with run_lock(run_folder):
            old = run_folder.with_name(f"{run_folder.name}.{time.time_ns()}")
            run_folder.rename(old)
    run_folder.mkdir(parents=True)
    write_text_whole(marker, anew)


def train_for_all(storage: str, job: Job, train: Callable[[Job], Outcome], clock: Clock) -> None:
    """On the driver's node: `train`s what is not finished there, and leaves its results there.

    Raises TrainingStopped and ValueError as the training ended, or where the store fails.
    """
    store, key = reached(storage), run_key(job)
    try:
        done = stored_finish(store, key)
    except ValueError as error:  # the checkout has reached it: what is lacking is lacking here
        raise ValueError(f"node {socket.gethostname()}: {error}") from error
    if done and done.code == job.code:
        print(f"{job.name}: finished already, in {store.address}", flush=True)
        return
    outcome = train(job)
    if outcome.summary is None:
        raise TrainingStopped(outcome.error) if outcome.stopped else ValueError(outcome.error)
    with clock("results"):
        leave_results(store, key, job, outcome.summary, clock)
