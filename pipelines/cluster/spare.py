"""Validation beside a training, as a task of Ray on a worker that is to spare.

Ray Train has a way of its own (`ValidationConfig`), which does not carry this: its numbers reach
the controller and the checkpoints that it keeps, after the loop has ended too, where ours belong
into the history that the loop writes; it takes up what was due for a run of the same name alone,
and ours are found by fingerprint under new names; and a validation that fails is a warning there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from pipelines.cluster.by_store import Handed, on_this_node
from pipelines.host.tensors import TensorState
from pipelines.recipe.profile import Cluster
from pipelines.training.attempt import Train
from pipelines.training.beside import LostError, Measured, measure
from pipelines.training.job import Job
from pipelines.training.loop import train_loop

Resources = dict[str, float]  # as Ray's options of a task call them


def spare_resources(job: Job, cluster: Cluster, there: Mapping[str, float]) -> Resources | None:
    """Of one more worker, where the profile wants it and the cluster has it in all; else a line."""
    machine = cluster.machine
    if machine.validation != "beside":
        return None
    each = machine.each_worker
    lacking = [k for k, n in each.items() if (machine.workers + 1) * n > there.get(k, 0.0)]
    if lacking and not cluster.grows:
        wanted = f"{machine.workers} workers and one more"
        kinds = " and ".join(f"{there.get(kind, 0.0):g} {kind}s" for kind in lacking)
        print(f"{job.name}: validated inline: {kinds} are too few for {wanted}", flush=True)
        return None
    return {"num_cpus": each["CPU"], "num_gpus": each["GPU"]}


def training_beside(config: Mapping[str, Any]) -> Train:
    """The training, whose epochs are validated by a task of their own each.

    config: what each worker begins with, `spare` among it.
    """
    spare = Spare(config["spare"], config["handed"], config["variables"])
    return partial(train_loop, elsewhere=spare)


class Spare:
    """Hands a validation to Ray, which runs it where there is room outside the training's own."""

    def __init__(self, resources: Resources, handed: Handed, variables: dict[str, str]) -> None:
        self._resources, self._handed, self._variables = resources, handed, variables

    def start(self, job: Job, epoch: int, weights: TensorState) -> UnderWay:
        import ray

        remote: Any = ray.remote  # DEFAULT: outside the placement group of this worker
        task = remote(**self._resources, scheduling_strategy="DEFAULT", max_retries=0)(
            measure_there
        )
        return UnderWay(task.remote(job, epoch, weights, self._handed, self._variables))


class UnderWay:
    """A validation at Ray."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def result(self, wait_s: float) -> Measured | None:
        import ray
        from ray.exceptions import RayError, RayTaskError

        ready, _ = ray.wait([self._task], timeout=wait_s)
        if not ready:
            return None
        try:
            measured: Measured = ray.get(self._task)
            return measured
        except RayTaskError as error:
            if isinstance(error.cause, ValueError):
                raise ValueError(str(error.cause)) from error
            raise LostError(str(error)) from error
        except RayError as error:
            raise LostError(str(error)) from error


def measure_there(
    job: Job, epoch: int, weights: TensorState, handed: Handed, variables: dict[str, str]
) -> Measured:
    """On a node that need not share anything with the training's but the store."""
    os.environ.update(variables)
    if handed.storage:
        job = on_this_node(job, handed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return measure(job, epoch, weights, device)
