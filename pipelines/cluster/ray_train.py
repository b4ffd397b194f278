"""One training as one TorchTrainer of Ray Train."""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from pipelines.cluster.addresses import joined_address
from pipelines.cluster.by_store import (
    Handed,
    brought,
    train_mirrored,
)
from pipelines.cluster.driver import unseen_home
from pipelines.cluster.handing import rank_variables
from pipelines.cluster.head import ray_address
from pipelines.cluster.ray_driver import connect, ended_at_once, heard_meanwhile
from pipelines.cluster.room import NodesWatch, wait_for_nodes, why_waiting
from pipelines.cluster.spare import spare_resources, training_beside
from pipelines.cluster.worker_lines import plain_worker_lines
from pipelines.host.processes import usable_cores
from pipelines.host.progress import Clock
from pipelines.recipe.profile import Cluster, check_machine
from pipelines.training.attempt import Outcome, before_training, check_rank, run_rank
from pipelines.training.job import Job, TrainingStopped
from pipelines.training.rank import Rank
from pipelines.training.worlds import take_place

# Small helpers poll often, helpers that serve nobody here stay away, prints are not doubled.
RAY_TRAIN = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180",
    "RAY_USAGE_STATS_ENABLED": "0",
}
ELSEWHERE = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1"}  # no node of our own head is drained
# A node that just went counts as room for some seconds: not to be waited for long.
ELASTIC = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60"}

NOTHING = nullcontext()
Worker = Callable[[dict[str, Any]], Outcome]


def train_through_ray(
    job: Job,
    cluster: Cluster,
    clock: Clock,
    worker: Worker | None = None,
    around: AbstractContextManager[object] = NOTHING,
) -> Outcome:
    """The training by Ray Train, of `ray_worker`s where no other worker is handed in.

    around: is entered when there is room for the training, and before anything of it begins.
    """
    if not _is_elsewhere(cluster):
        check_machine(cluster, usable_cores(), torch.cuda.device_count())
    settings = RAY_TRAIN | (ELSEWHERE if _is_elsewhere(cluster) else {})
    settings |= ELASTIC if cluster.machine.is_elastic else {}
    os.environ.update({key: os.environ.get(key, value) for key, value in settings.items()})
    started = time.perf_counter()
    with ray_address(cluster.address) as address:
        clock.seconds["ray_head"] = time.perf_counter() - started
        with clock("ray_train"), plain_worker_lines():
            outcome = fit_with_ray(job, cluster, address, worker, around)
    if outcome.summary:  # what Ray takes around the worker
        inside = sum(outcome.summary.seconds.values())
        clock.seconds["ray_train"] -= inside
    return outcome


def _is_elsewhere(cluster: Cluster) -> bool:
    return joined_address(cluster.address) is not None


def fit_with_ray(
    job: Job,
    cluster: Cluster,
    address: str,
    worker: Worker | None = None,
    around: AbstractContextManager[object] = NOTHING,
) -> Outcome:
    """One TorchTrainer, once there is room for it. around: as of `train_through_ray`."""
    import ray

    with ended_at_once(job.name):
        heard_meanwhile(partial(connect, address))
        heard_meanwhile(partial(_find_room, job.name, cluster))
    with around:
        answer = _fitted(job, cluster, worker)
        ray.shutdown()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def _find_room(name: str, cluster: Cluster) -> None:
    import ray

    wait_for_nodes(name, cluster, ray.cluster_resources)
    if waits := why_waiting(cluster, ray.available_resources()):
        print(f"{name}: {waits}", flush=True)


def _fitted(job: Job, cluster: Cluster, worker: Worker | None) -> Outcome | BaseException:
    """It runs in a thread: Ray's own way out on Ctrl-C may exit with 0."""
    import ray

    box: list[Outcome | BaseException] = []
    with ended_at_once(job.name):
        thread = threading.Thread(
            target=_fit, args=(job, cluster, worker or ray_worker, box), daemon=True
        )
        thread.start()
        if given_up := _wait(thread, NodesWatch(job.name, cluster, ray.cluster_resources)):
            print(f"error: {given_up}", file=sys.stderr, flush=True)
            os._exit(1)
    return box[0]


def _wait(training: threading.Thread, nodes: NodesWatch) -> str:
    """Until the training is through: ""; or why nobody waits any longer for what it lacks."""
    nodes.start()
    while training.is_alive() and not nodes.given_up:
        training.join(0.2)
    return nodes.given_up


def _fit(job: Job, cluster: Cluster, worker: Worker, box: list[Outcome | BaseException]) -> None:
    """Puts the outcome of rank 0 into the box, or the error that ended it."""
    import ray
    from ray.train import TrainingFailedError

    try:
        box.append(_trainer(job, cluster, worker).fit().return_value)
    except TrainingFailedError as error:
        often = f"{job.name}: workers failed more than {cluster.max_failures} times"
        box.append(TrainingStopped(f"{often}, last: {error}"))
    except ray.exceptions.RayError as error:
        box.append(TrainingStopped(_lost(job, error)))
    except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
        box.append(error)


def _trainer(job: Job, cluster: Cluster, worker: Worker) -> Any:
    """The TorchTrainer."""
    import ray
    from ray.train import FailureConfig, LoggingConfig, ScalingConfig
    from ray.train.torch import TorchConfig

    from pipelines.cluster import elastic
    from pipelines.cluster.meeting import OnLoopback

    RunConfig, TorchTrainer = _version_two()
    machine = cluster.machine
    Meeting = TorchConfig if _is_elsewhere(cluster) else OnLoopback
    resources = {kind: n for kind, n in machine.each_worker.items() if n}
    return TorchTrainer(
        worker,
        train_loop_config=_told(job, cluster, ray.cluster_resources()),
        torch_config=Meeting(backend=machine.backend),
        scaling_config=ScalingConfig(
            **elastic.scaling(machine), use_gpu=machine.gpu, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=f"{job.run_folder.name}-{uuid.uuid4().hex[:8]}",
            # of this node alone: so is Ray's controller, and ranks give Ray no checkpoints
            storage_path=str(job.run_folder / "ray"),
            logging_config=LoggingConfig("WARNING"),
            failure_config=FailureConfig(**elastic.failures(cluster)),
            callbacks=elastic.callbacks(machine),
        ),
    )


def _lost(job: Job, error: Exception) -> str:
    """In words: what Ray says when its head, or what drives the training there, is gone."""
    words = " ".join(str(error).split())[:200]
    return (
        f"{job.name}: Ray lost the training, its head or controller is gone "
        f"({type(error).__name__}: {words}); the same command goes on from the last checkpoint"
    )


def _told(job: Job, cluster: Cluster, there: Mapping[str, float]) -> dict[str, Any]:
    """What each worker begins with. there: resources of the cluster."""
    handed = Handed(
        attempt=uuid.uuid4().hex,
        stall_s=cluster.stall_s,
        storage=cluster.storage,
        cache_gib=cluster.cache_gib,
        anew=cluster.anew,
        auto_loaders=cluster.machine.auto_loaders,
    )
    return {
        "job": job,
        "handed": handed,
        "variables": rank_variables(cluster.storage),
        "spare": spare_resources(job, cluster, there),
    }


def _version_two() -> tuple[Any, Any]:
    """Ray Train's classes as they are when it runs; type checkers see those of version 1."""
    from ray.train import RunConfig
    from ray.train.torch import TorchTrainer

    return RunConfig, TorchTrainer


def ray_worker(config: dict[str, Any], run: Callable[..., Outcome] = run_rank) -> Outcome:
    """What Ray Train runs on each worker; what the driver decided comes first."""
    os.environ.update(config["variables"])
    import ray.train
    import ray.train.torch

    from pipelines.cluster.elastic import WORD, worker_notice

    context = ray.train.get_context()
    device = ray.train.torch.get_device()
    assert isinstance(device, torch.device)
    job, handed = config["job"], config["handed"]
    number, workers = context.get_world_rank(), context.get_world_size()
    worker = Rank(number, workers, device, notice=worker_notice(number))
    if handed.storage:
        job, problem = brought(job, worker, handed)
    else:
        problem = next(filter(None, worker.gather(unseen_home(job))), "")
    rank = take_place(worker, job.recipe.training.global_batch)
    if problem or rank is None:
        return Outcome(error=problem)
    try:
        check = before_training(handed.auto_loaders)
        how: dict[str, Any] = {"stall_s": handed.stall_s, "check": check}
        if config["spare"]:
            how["train"] = training_beside(config)
        if handed.storage and run is run_rank:
            return train_mirrored(job, rank, handed, **how)
        return run(job, rank, handed.attempt, **how)
    except ValueError as error:  # for the others' sake: Ray shows it, our frames say nothing more
        raise ValueError(str(error)) from None
    finally:
        WORD.over()


def check_worker(config: dict[str, Any]) -> Outcome:
    """As `ray_worker`, but only what comes before the training."""
    return ray_worker(config, check_rank)
