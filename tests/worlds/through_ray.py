"""A training on a local Ray: `-m tests.worlds.through_ray JOB HOW`.

JOB: a pickled job; HOW: `stops`, two ranks of which the second is stopped (SIGSTOP) before step 5,
once; `beside`, one rank whose loaders are counted, and validation beside it.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.cluster.ray_train import ray_worker, train_through_ray
from pipelines.host.progress import Clock
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training.attempt import Outcome, run_rank
from pipelines.training.job import Job
from pipelines.training.loop import train_loop
from pipelines.training.parts import Parts
from pipelines.training.rank import Rank
from pipelines.training.repeat import untracked
from pipelines.training.step import Taken, train_step
from tests.worlds.listening import listening_addresses

STOPS = 5
STALL_MINUTES = 0.1  # 24 s for what is new


class StoppingSteps:
    """As `train_step`; rank 1 stops before one of its first steps, once."""

    def __init__(self) -> None:
        self._steps = 0

    def __call__(self, job: Job, rank: Rank, parts: Parts, micro: Sequence[Any]) -> Taken:
        self._steps += 1
        marker = job.run_folder.parent / "stopped"
        if rank.rank == 1 and self._steps == STOPS and not marker.exists():
            marker.with_name("listening").write_text(json.dumps(all_listening()))
            marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        return train_step(job, rank, parts, micro)


def all_listening() -> list[str]:
    """Addresses at which what belongs to our head does, its workers too."""
    return sorted({str(address) for address, _ in listening_addresses(os.getsid(0))})


def run_stopping(job: Job, rank: Rank, attempt: str, **how: Any) -> Outcome:
    train = partial(train_loop, take_step=StoppingSteps())
    return run_rank(job, rank, attempt, train=train, open_log=untracked, **how)


def run_quiet(job: Job, rank: Rank, attempt: str, **how: Any) -> Outcome:
    return run_rank(job, rank, attempt, open_log=untracked, **how)


def quiet_worker(config: dict[str, Any]) -> Outcome:
    return ray_worker(config, run_quiet)


def stopping_worker(config: dict[str, Any]) -> Outcome:
    return ray_worker(config, run_stopping)


def main(path: str, how: str) -> None:
    job: Job = pickle.loads(Path(path).read_bytes())
    workers = {"stops": 2, "beside": 1}[how]
    cluster = read_cluster(load_params(), gpus=0, workers=workers)
    cluster = replace(cluster, address=None, max_failures=1)
    if how == "stops":
        cluster = replace(cluster, stall_minutes=STALL_MINUTES)
        outcome = train_through_ray(job, cluster, Clock(), stopping_worker)
    else:
        machine = replace(cluster.machine, validation="beside", loader_workers=None)
        cluster = replace(cluster, machine=machine)
        outcome = train_through_ray(job, cluster, Clock(), quiet_worker)
    assert outcome.summary, outcome.error
    print("history", json.dumps(outcome.summary.history))


if __name__ == "__main__":
    main(*sys.argv[1:])
