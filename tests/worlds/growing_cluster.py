"""A training on a cluster that grows and shrinks: `-m tests.worlds.growing_cluster run JOB FOLDER`.

One node with room for one worker, then a second one with room for two more, which is drained. What
each rank was given in each step stands in FOLDER/steps.jsonl, how it went in FOLDER/end.json.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.recipe.profile import Cluster, Profile
from pipelines.training import checkpoint
from pipelines.training.attempt import Outcome, run_rank
from pipelines.training.job import Job, Listener, TrainingSummary
from pipelines.training.loop import train_loop
from pipelines.training.parts import Parts
from pipelines.training.rank import Rank
from pipelines.training.step import Taken, train_step

GROWS_AT, SHRINKS_AT = 4, 8  # steps done when word of a change is waited for
LIMIT_S = 600.0
DEADLINE_S = 15.0
SHORT = {
    "LIMBER_RESIZE_S": "3",
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "40",
    "RAY_AUTH_MODE": "disabled",
}


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)


class Steps:
    """As `train_step`; waits for the words that it is to hear, writes down what it was given."""

    def __init__(self, done: int, file: Path) -> None:
        self._done, self._file = done, file

    def __call__(self, job: Job, rank: Rank, parts: Parts, micro: Sequence[Any]) -> Taken:
        if rank.is_main:
            self._wait(rank)
        taken = train_step(job, rank, parts, micro)
        self._done += 1
        rows = [row for batch in micro for row in batch.sample_id.tolist()]
        rate = parts.optimizer.param_groups[0]["lr"]
        with self._file.open("a") as file:
            file.write(json.dumps([self._done, rank.world_size, rows, rate]) + "\n")
        return taken

    def _wait(self, rank: Rank) -> None:
        from ray.train.v2._internal.execution.context import get_train_context

        from pipelines.cluster.elastic import WORD

        if rank.world_size == 1 and self._done == GROWS_AT:
            wait_for(lambda: WORD.is_said, "no word of more workers")
        if rank.world_size == 2 and self._done == SHRINKS_AT:
            told = get_train_context().preemption_context
            wait_for(lambda: told.preemption_info is not None, "no word of a node's end")
        if (rank.world_size, self._done) in ((1, GROWS_AT + 1), (2, SHRINKS_AT + 2)):
            time.sleep(LIMIT_S)  # until the end of these workers


def train(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
    manifests = checkpoint.read_manifests(job.run_folder)
    steps = Steps(manifests[-1].step if manifests else 0, job.run_folder.parent / "steps.jsonl")
    return train_loop(job, rank, listener, steps)


def worker(config: dict[str, Any]) -> Outcome:
    from pipelines.cluster.ray_train import ray_worker

    return ray_worker(config, partial(run_rank, train=train))


def took(file: Path, step: int, workers: int) -> bool:
    lines = file.read_text().splitlines() if file.is_file() else []
    return any(json.loads(line)[:2] == [step, workers] for line in lines)


def change(nodes: Any, steps: Path, training: subprocess.Popen[bytes]) -> None:
    """A node joins once one worker trained for some steps, and is drained once two did."""
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    def trained(step: int, workers: int) -> bool:
        if training.poll() is not None:
            raise RuntimeError("the training ended early")
        return took(steps, step, workers)

    wait_for(lambda: trained(GROWS_AT, 1), "nobody trains")
    node = nodes.add_node(num_cpus=2)
    print("a node joined", flush=True)
    wait_for(lambda: trained(SHRINKS_AT, 2), "no two train")
    end = time.time() + DEADLINE_S
    why = autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    accepted, said = GcsClient(address=nodes.address).drain_node(
        node.node_id, why, "taken back", int(end * 1000)
    )
    print(f"the node is drained: {accepted} {said}", flush=True)
    time.sleep(max(0.0, end - time.time()))
    nodes.remove_node(node, allow_graceful=False)
    print("the node is gone", flush=True)


def main(what: str, path: str, folder: str, *address: str) -> None:
    os.environ.update(SHORT)
    job: Job = pickle.loads(Path(path).read_bytes())
    if what == "train":
        train_there(job, Path(folder), *address)
        return
    from ray.cluster_utils import Cluster as Nodes

    places.leave_note()
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
    given = [sys.executable, "-m", "tests.worlds.growing_cluster", "train", path, folder]
    training = subprocess.Popen([*given, nodes.address])
    try:
        change(nodes, job.run_folder.parent / "steps.jsonl", training)
        training.wait(LIMIT_S)
    finally:
        training.kill()
        nodes.shutdown()


def train_there(job: Job, folder: Path, address: str) -> None:
    from pipelines.cluster.ray_train import train_through_ray
    from tests.worlds import growing_cluster as this  # as workers import it

    os.environ["RAY_ADDRESS"] = address
    machine = Profile(3, False, "gloo", 8, 0, 1, 1, least_workers=1)
    cluster = Cluster("test", machine, address, 0)
    outcome = train_through_ray(job, cluster, Clock(), this.worker)
    (folder / "end.json").write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(*sys.argv[1:])
