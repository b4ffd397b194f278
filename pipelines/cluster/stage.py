"""A training by a job of a running cluster, from the checkout that has its data to its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch

from data.ground.refusal import refusal
from pipelines.cluster.capacity import Facts, ask_facts, check_capacity, check_versions
from pipelines.cluster.handing import driver_variables
from pipelines.cluster.jobs import HERE, Asked, End, Jobs, Patience, connect, follow
from pipelines.depot.key import run_key
from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Cluster, read_cluster
from pipelines.training.finished import Finished, finished_alike, say_taken_over
from pipelines.training.handed import hand
from pipelines.training.job import Job, TrainingStopped
from pipelines.training.plan import make_job
from pipelines.training.record import has_training
from pipelines.training.results import write_results

EXIT = {"FAILED": 1, "STOPPED": 3, "LOST": 1}


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
        done = None if again else finished_alike(job)
    if done is None:
        with clock("job"):
            _run(job, cluster, address, workers, again, doors)
        _taken_back(job, clock)
        return
    say_taken_over(job, done)
    write_results(job, done.summary, clock)


def _at_home(name: str, workers: int | None) -> tuple[Job, Cluster]:
    """The training by the profile of this machine where params.yaml names none: which training it
    is, no profile changes."""
    params = load_params()
    auto = params["cluster"].get("profile", "auto") == "auto"
    cluster = read_cluster(params, torch.cuda.device_count(), 1 if auto else workers)
    return make_job(name, cluster), cluster


def _run(
    job: Job, cluster: Cluster, address: str | None, workers: int | None, again: bool, doors: Doors
) -> None:
    jobs = doors.connect(address)
    facts = doors.facts(jobs)
    where = address or HERE
    check_versions(where, facts)
    meant = read_cluster(load_params(), facts.gpus, workers)
    if meant.machine != cluster.machine:
        job = make_job(job.name, meant)
    check_capacity(where, meant, facts)
    options = [f" --workers {workers}" if workers else "", " --again" if again else ""]
    asked = Asked(
        key=run_key(job),
        recipe=job.name,
        entrypoint=f"python -m pipelines.train {job.name}{''.join(options)}",
        variables=driver_variables(hand(job, meant, workers, grows=facts.grows)),
        checkout=places.REPOSITORY,
    )
    end = follow(jobs, partial(doors.connect, address), asked, doors.patience)
    if end.status != "SUCCEEDED":
        raise JobEnded(_told(job, end), EXIT[end.status])


def _told(job: Job, end: End) -> str:
    message = " ".join(end.message.partition("last available logs")[0].split())[:500].rstrip(", ")
    return f"{job.name}: its job is {end.status}{f' ({message})' if message else ''}"


def _taken_back(job: Job, clock: Clock) -> Finished:
    """What the job left, once it is in this home whole."""
    done = finished_alike(job)
    if done is None:
        fault = f"the job succeeded, but its results are not in {places.home()}"
        do = (
            "let all nodes see that folder, or set `storage` in params.yaml (s3://bucket/prefix), "
            "then run the same command again"
        )
        raise refusal(job.name, fault=fault, do=do)
    if not has_training(places.trained(job.name)):
        write_results(job, done.summary, clock)
    return done
