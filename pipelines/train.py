"""Trains a recipe: one Ray Train job around pipelines/worker.py -> results/RECIPE/trained.

python -m pipelines.train RECIPE [--workers N]
python -m pipelines.train RECIPE --local             one process, no Ray
torchrun --nproc-per-node 2 -m pipelines.train RECIPE     several, no Ray
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from data.whole_file import write_text_whole
from pipelines import places
from pipelines.attempt import Outcome, run_rank
from pipelines.cluster import cpus, ray_address
from pipelines.folders import file_digest
from pipelines.job import Job, TrainingStopped, fingerprint
from pipelines.machine import Cluster, check_machine, read_cluster
from pipelines.optimizer import plan_batches
from pipelines.parts import check_device
from pipelines.prepared import data_hash
from pipelines.progress import Clock
from pipelines.ranks import Rank
from pipelines.recipe import Recipe, check_run, load_params, load_recipe
from pipelines.tracking import tracking_uri
from pipelines.training_results import FINISHED, set_aside, write_results

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
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal that ends us; its number is the argument."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.train")
    parser.add_argument("recipe")
    parser.add_argument("--local", action="store_true", help="in this process, without Ray")
    parser.add_argument("--workers", type=int, help="instead of the profile's number")
    given = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a file
    catch_signals()
    try:
        local = given.local or "TORCHELASTIC_RUN_ID" in os.environ  # torchrun: no Ray either
        stage(given.recipe, local=local, workers=given.workers)
    except (ValueError, TrainingStopped) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, ValueError) else 1
    except Interrupted as interrupted:
        return say_interrupted(given.recipe, int(interrupted.args[0]))
    return 0


def catch_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _: object) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # one is enough: nothing disturbs the way out
    raise Interrupted(number)


def say_interrupted(name: str, number: int) -> int:
    """The exit code: a stage that a signal ended must never look done to DVC."""
    print(f"{name}: ended by {signal.Signals(number).name}; the same command goes on from the "
          "last checkpoint", file=sys.stderr, flush=True)  # fmt: skip
    return 128 + number


def stage(name: str, *, local: bool, workers: int | None = None) -> None:
    """The whole stage. Raises ValueError, before Ray starts where it can, and TrainingStopped."""
    clock = Clock()
    with clock("configuration"):
        torchrun = int(os.environ.get("WORLD_SIZE", "1")) if local else None
        cluster = read_cluster(load_params(), torch.cuda.device_count(), torchrun or workers)
        job = make_job(name, cluster)
        main_process = not local or os.environ.get("RANK", "0") == "0"
        if main_process:
            places.leave_note()
            set_aside(job.run_folder)
    outcome = _in_this_process(job, cluster) if local else _through_ray(job, cluster, clock)
    if not main_process:
        return
    if outcome.summary is None:
        raise TrainingStopped(outcome.error) if outcome.stopped else ValueError(outcome.error)
    with clock("results"):
        write_results(job, outcome.summary, clock)
    write_text_whole(job.run_folder / FINISHED, json.dumps({"time": time.time()}))


def make_job(name: str, cluster: Cluster) -> Job:
    """Everything that can be wrong without training is refused here, in ValueErrors."""
    recipe = load_recipe(name)
    check_run(name, recipe)
    tracking_uri()
    machine = cluster.machine
    plan_batches(recipe.training.global_batch, machine.workers, machine.max_batch_per_worker)
    check_device(recipe, torch.device("cuda" if machine.gpu else "cpu"))
    digest = data_hash(recipe.dataset)
    weights = _weights(name, recipe)
    mark = fingerprint(recipe, digest, file_digest(weights) if weights else "")
    return Job(
        name=name,
        recipe=recipe,
        fingerprint=mark,
        data_hash=digest,
        prepared=places.prepared(recipe.dataset),
        raw=places.raw(recipe.dataset),
        run_folder=places.run(name, mark),
        weights=weights,
        max_batch_per_worker=machine.max_batch_per_worker,
        loader_workers=machine.loader_workers,
        threads=machine.threads,
    )


def _weights(name: str, recipe: Recipe) -> Path | None:
    """The file that fetch brought for the recipe's `pretrained`."""
    if recipe.pretrained is None:
        return None
    folder = places.weights(name)
    found = [p for p in sorted(folder.glob("*")) if p.is_file() and p.suffix != ".json"]
    if not found:
        raise ValueError(
            f"{folder}: no weights; run `dvc repro weights@{name}` to bring "
            f"{recipe.pretrained.source}, or take `pretrained` out of recipes/{name}.yaml to "
            "start without"
        )
    return found[0]


def _in_this_process(job: Job, cluster: Cluster) -> Outcome:
    """One process, or one of torchrun's."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if cluster.machine.gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group(cluster.machine.backend)
    try:
        return run_rank(job, Rank(int(os.environ.get("RANK", "0")), world, device), "")
    finally:
        if world > 1:
            dist.destroy_process_group()


def _through_ray(job: Job, cluster: Cluster, clock: Clock) -> Outcome:
    os.environ.update({key: os.environ.get(key, value) for key, value in RAY_TRAIN.items()})
    started = time.perf_counter()
    with ray_address(cluster.address) as address:
        if not _is_elsewhere(cluster):
            check_machine(cluster, cpus(), torch.cuda.device_count())
        clock.seconds["ray_head"] = time.perf_counter() - started
        with clock("ray_train"):
            outcome = fit(job, cluster, address)
    if outcome.summary:  # what Ray takes around the worker
        inside = sum(outcome.summary.seconds.values())
        clock.seconds["ray_train"] -= inside
    return outcome


def _is_elsewhere(cluster: Cluster) -> bool:
    return bool(cluster.address or os.environ.get("RAY_ADDRESS"))


def fit(job: Job, cluster: Cluster, address: str) -> Outcome:
    """One TorchTrainer. It runs in a thread: Ray's own way out on Ctrl-C may exit with 0."""
    import ray

    try:
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=True)
        catch_signals()  # Ray took SIGTERM for itself, and would abort
    except (ConnectionError, RuntimeError) as error:
        raise ValueError(
            f"no Ray cluster answers at {address}: {error}; start one, or leave cluster.address "
            "in params.yaml null and RAY_ADDRESS unset for a local one"
        ) from error
    box: list[Any] = []
    try:
        found = ray.cluster_resources()
        check_machine(cluster, found.get("CPU", 0), found.get("GPU", 0))
        thread = threading.Thread(target=_fit, args=(job, cluster, box), daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
    except Interrupted as interrupted:
        # Shutting Ray down under the waiting thread crashes; without us Ray ends the workers, and
        # a head of our own is ended by its guard.
        os._exit(say_interrupted(job.name, int(interrupted.args[0])))
    ray.shutdown()
    if isinstance(box[0], BaseException):
        raise box[0]
    return box[0]  # type: ignore[no-any-return]


def _fit(job: Job, cluster: Cluster, box: list[Any]) -> None:
    from ray.train import FailureConfig, LoggingConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig

    RunConfig, TorchTrainer = _version_two()
    machine = cluster.machine
    resources = {"CPU": float(machine.cpus_per_worker), **({"GPU": 1.0} if machine.gpu else {})}
    try:
        result = TorchTrainer(
            ray_worker,
            train_loop_config={"job": job, "attempt": uuid.uuid4().hex},
            torch_config=TorchConfig(backend=machine.backend),
            scaling_config=ScalingConfig(
                num_workers=machine.workers, use_gpu=machine.gpu, resources_per_worker=resources
            ),
            run_config=RunConfig(
                name=f"{job.run_folder.name}-{uuid.uuid4().hex[:8]}",
                storage_path=str(job.run_folder / "ray"),
                logging_config=LoggingConfig("WARNING"),
                failure_config=FailureConfig(max_failures=cluster.max_failures),
            ),
        ).fit()
        box.append(result.return_value)
    except TrainingFailedError as error:
        box.append(TrainingStopped(f"{job.name}: workers failed more than {cluster.max_failures} "
                                   f"times, last: {error}"))  # fmt: skip
    except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
        box.append(error)


def _version_two() -> tuple[Any, Any]:
    """Ray Train's classes as they are when it runs; type checkers see those of version 1."""
    from ray.train import RunConfig
    from ray.train.torch import TorchTrainer

    return RunConfig, TorchTrainer


def ray_worker(config: dict[str, Any]) -> Outcome:
    """What Ray Train runs on each worker."""
    import ray.train
    import ray.train.torch

    context = ray.train.get_context()
    device = ray.train.torch.get_device()
    assert isinstance(device, torch.device)
    rank = Rank(context.get_world_rank(), context.get_world_size(), device)
    return run_rank(config["job"], rank, config["attempt"])


if __name__ == "__main__":
    from pipelines.train import main as start  # so that workers find `ray_worker` by its module

    sys.exit(start(sys.argv[1:]))
