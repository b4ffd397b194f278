"""A training by a job of a running cluster, from the checkout that has its data to its results."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import torch

from data.ground.refusal import refusal
from pipelines.cluster.by_store import reached
from pipelines.cluster.capacity import Facts, ask_facts, check_capacity, check_versions
from pipelines.cluster.connecting import HERE, Jobs, connect
from pipelines.cluster.handing import driver_variables
from pipelines.cluster.jobs import Asked, End, Patience, follow
from pipelines.depot.inputs import publish
from pipelines.depot.key import run_key
from pipelines.depot.results import bring_results, bring_told, forget_run
from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Cluster, read_cluster
from pipelines.recipe.storage import read_storage
from pipelines.store.store import Store
from pipelines.training.checkpoint import read_manifests
from pipelines.training.finished import Finished, finished_alike, say_taken_over
from pipelines.training.handed import hand
from pipelines.training.job import Job, TrainingStopped
from pipelines.training.plan import make_job
from pipelines.training.record import has_training
from pipelines.training.results import write_results

EXIT = {"FAILED": 1, "STOPPED": 3, "LOST": 1}


class Wish(NamedTuple):
    """How a training is wanted: workers instead of the profile's; again: also where it is finished;
    store: by which all goes, None where nodes see this home."""

    workers: int | None
    again: bool
    store: Store | None


class JobEnded(TrainingStopped):
    """A job ended without success; code: what the command exits with."""

    def __init__(self, told: str, code: int) -> None:
        super().__init__(told)
        self.code = code


@dataclass(frozen=True)
class Doors:
    """How a cluster is reached; tests play one."""

    connect: Callable[[str | None], Jobs] = connect
    facts: Callable[[Jobs], Facts] = ask_facts
    patience: Patience = field(default_factory=Patience)


def train_by_job(
    name: str,
    address: str | None,
    *,
    workers: int | None = None,
    again: bool = False,
    doors: Doors = Doors(),
) -> None:
    """The whole stage. address: None is the cluster on this machine.

    Raises ValueError for what is wrong, most of it before anything is submitted; JobEnded where the
    job fails or is stopped by somebody else; Interrupted when a signal has stopped it.
    """
    clock = Clock()
    with clock("configuration"):
        job, cluster = _at_home(name, workers)
        places.leave_note()
        storage = read_storage(load_params())
        store = reached(storage) if storage else None
        done = None if again else _done(job, store)
    if done:
        say_taken_over(job, done)
    else:
        with clock("job"):
            _run(job, cluster, address, Wish(workers, again, store), doors)
        done = _done(job, store)
        if done is None:
            raise _nothing_left(job, store)
    if not has_training(places.trained(name)):
        write_results(job, done.summary, clock)


def _done(job: Job, store: Store | None) -> Finished | None:
    """The training where it is finished: its results are here then, or its checkpoints are."""
    if store is None:
        return finished_alike(job)
    done = bring_results(store, job)
    return done or (finished_alike(job) if read_manifests(job.run_folder) else None)


def _at_home(name: str, workers: int | None) -> tuple[Job, Cluster]:
    """The training by the profile of this machine where params.yaml names none: which training it
    is, no profile changes."""
    params = load_params()
    auto = params["cluster"].get("profile", "auto") == "auto"
    cluster = read_cluster(params, torch.cuda.device_count(), 1 if auto else workers)
    return make_job(name, cluster), cluster


def check_by_job(
    name: str, address: str | None, *, workers: int | None = None, doors: Doors = Doors()
) -> None:
    """What comes before a training, on the nodes that would train. Raises as `train_by_job`."""
    job, cluster = _at_home(name, workers)
    storage = read_storage(load_params())
    wish = Wish(workers, again=False, store=reached(storage) if storage else None)
    _, end = _follow(job, cluster, address, wish, doors, only="preflight")
    if end.status != "SUCCEEDED":
        raise JobEnded(_told(job, end), EXIT[end.status])


def _run(job: Job, cluster: Cluster, address: str | None, wish: Wish, doors: Doors) -> None:
    job, end = _follow(job, cluster, address, wish, doors)
    if end.status != "SUCCEEDED":
        raise JobEnded(f"{_told(job, end)}{_kept(job, wish.store)}", EXIT[end.status])


def _kept(job: Job, store: Store | None) -> str:
    """What the training told until then is brought; words where the store does not give it."""
    if store is None:
        return ""
    try:
        bring_told(store, job)
    except ValueError as error:
        return f"; its curves so far are not here: {error}"
    return ""


def _follow(
    job: Job, cluster: Cluster, address: str | None, wish: Wish, doors: Doors, only: str = ""
) -> tuple[Job, End]:
    """(the job as it is on that cluster, its end); only: `preflight`, no training."""
    jobs = doors.connect(address)
    facts = doors.facts(jobs)
    where = address or HERE
    check_versions(where, facts)
    meant = read_cluster(load_params(), facts.gpus, wish.workers)
    if meant.machine != cluster.machine:
        job = make_job(job.name, meant)
    check_capacity(where, meant, facts)
    meant = replace(meant, grows=facts.grows, anew=uuid.uuid4().hex if wish.again else "")
    options = [f" --workers {wish.workers}" if wish.workers else "", " --again" * wish.again]
    options += [f" --{only}" if only else ""]
    asked = Asked(
        key=f"{run_key(job)}-{only}" if only else run_key(job),
        recipe=job.name,
        entrypoint=f"python -m pipelines.train {job.name}{''.join(options)}",
        variables=driver_variables(hand(job, meant, wish.workers)),
        checkout=places.REPOSITORY,
        prepare=Sent(job, wish),
    )
    return job, follow(jobs, partial(doors.connect, address), asked, doors.patience)


class Sent:
    """Called before a job is submitted: sends what it needs; once, where anew, forgets the old."""

    def __init__(self, job: Job, wish: Wish) -> None:
        self._job, self._store, self._again = job, wish.store, wish.again

    def __call__(self) -> None:
        if self._store is None:
            return
        if self._again:
            forget_run(self._store, run_key(self._job))
        self._again = False
        publish(self._store, self._job)


def _told(job: Job, end: End) -> str:
    message = " ".join(end.message.partition("last available logs")[0].split())[:500].rstrip(", ")
    return f"{job.name}: its job is {end.status}{f' ({message})' if message else ''}"


def _nothing_left(job: Job, store: Store | None) -> ValueError:
    again = "run the same command again"
    if store is None:
        share = (
            "let all nodes see that folder, or set `storage` in params.yaml (s3://bucket/prefix)"
        )
        again = f"{share}, then {again}"
    where = store.address if store else places.home()
    return refusal(
        job.name, fault=f"the job succeeded, but its results are not in {where}", do=again
    )
