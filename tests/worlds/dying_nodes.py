"""A training on one Ray cluster of which again and again something is killed:
`-m tests.worlds.dying_nodes JOB FOLDER SEED KILLS`.

The cluster's head stays, so that a kill costs seconds: two ranks train on its one other node. That
node's raylet is killed (another node comes), a rank, the training's controller, or its driver (the
training is begun again). A line `struck WHO` for each.
"""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.host import places
from pipelines.host.progress import Clock
from pipelines.recipe.profile import Cluster, Profile
from pipelines.training import checkpoint
from pipelines.training.attempt import Outcome, open_run_log, run_rank
from pipelines.training.job import Job
from tests.worlds.started import command_of, started_by
from tests.worlds.waiting import wait_for

TOKEN = "LIMBER_CHAOS_TRIAL"
WORLD = 2
WHO = {"worker": "RayTrainWorker", "controller": "TrainController", "raylet": "", "driver": ""}
AMONG = ("worker", "worker", "raylet", "raylet", "driver", "driver", "controller")
EARLY, EARLY_S, LATE_S = 0.3, 6.0, 1.5  # share of kills while all begins; how long after what
LIMIT_S = 600.0
SHORT = {"RAY_AUTH_MODE": "disabled", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180"}
LOST = ("Ray lost the training", "no Ray cluster answers")


class Nodes:
    """A head for nobody's ranks, and the one node of them."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as RayCluster

        self._cluster = RayCluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self._node = self._cluster.add_node(num_cpus=WORLD)
        self.address = str(self._cluster.address)

    def lose(self) -> None:
        """The raylet by SIGKILL, all else of the node with it; then there is another one."""
        (raylet,) = self._node.all_processes["raylet"]
        os.kill(raylet.process.pid, 9)
        self._cluster.remove_node(self._node, allow_graceful=False)
        self._node = self._cluster.add_node(num_cpus=WORLD)

    def end(self) -> None:
        self._cluster.shutdown()


def begin(path: str, address: str, said: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.worlds.dying_nodes", "train", path, address]
    with said.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


def found(who: str) -> list[int]:
    every = started_by(TOKEN, os.environ[TOKEN])
    return [each for each in every if WHO[who] in command_of(each)]


def main(path: str, folder: str, seed: str, kills: str) -> None:
    temporary = tempfile.mkdtemp(prefix="nodes-", dir="/tmp")  # sockets' paths are short
    os.environ.update(SHORT | {"TMPDIR": temporary, "RAY_TMPDIR": temporary})
    tempfile.tempdir = None
    job: Job = pickle.loads(Path(path).read_bytes())
    draw, said = random.Random(seed), Path(folder) / "said.txt"
    places.leave_note()
    nodes = Nodes()
    training = begin(path, nodes.address, said)
    try:
        for _ in range(int(kills)):
            if not wait_for_moment(job, training, draw):
                break
            training = strike(draw, nodes, training, path, said)
        while training.wait(LIMIT_S):
            training = again(nodes, training, path, said)
    finally:
        training.kill()
        training.wait()
        nodes.end()
        shutil.rmtree(temporary, ignore_errors=True)


def wait_for_moment(job: Job, training: subprocess.Popen[bytes], draw: random.Random) -> bool:
    """Once ranks begin, or once a step is done since; False: the training is through."""
    before, early = steps(job), draw.random() < EARLY

    def there() -> bool:
        return bool(found("worker")) if early else steps(job) > before

    wait_for(lambda: training.poll() is not None or there(), "ranks or a step", LIMIT_S)
    time.sleep(draw.uniform(0, EARLY_S if early else LATE_S))
    return training.poll() is None


def steps(job: Job) -> int:
    manifests = checkpoint.read_manifests(job.run_folder)
    return manifests[-1].step if manifests else 0


def strike(
    draw: random.Random, nodes: Nodes, training: subprocess.Popen[bytes], path: str, said: Path
) -> subprocess.Popen[bytes]:
    who = draw.choice(AMONG)
    if who == "raylet":
        nodes.lose()
    elif who == "driver":
        training.kill()
    elif there := found(who):
        os.kill(draw.choice(there), 9)
    else:  # between two groups of workers
        return training
    print(f"struck {who}", flush=True)
    if who in ("driver", "controller"):
        return again(nodes, training, path, said)
    return training


def again(
    nodes: Nodes, training: subprocess.Popen[bytes], path: str, said: Path
) -> subprocess.Popen[bytes]:
    """The command once more, after its end: by SIGKILL, or with a word that it was lost."""
    code, words = training.wait(LIMIT_S), said.read_text(errors="replace")
    assert code == -9 or any(each in words for each in LOST), (code, words[-4000:])
    return begin(path, nodes.address, said)


def worker(config: dict[str, Any]) -> Outcome:
    from pipelines.cluster.ray_train import ray_worker

    later = partial(open_run_log, later=True)
    return ray_worker(config, partial(run_rank, open_log=later))


def train(path: str, address: str) -> None:
    from pipelines.cluster.ray_train import train_through_ray
    from tests.worlds import dying_nodes as this  # as workers import it

    job: Job = pickle.loads(Path(path).read_bytes())
    os.environ["RAY_ADDRESS"] = address
    machine = Profile(WORLD, False, "gloo", 4, 0, 1, 1)
    cluster = Cluster("test", machine, address, 99)
    outcome = train_through_ray(job, cluster, Clock(), this.worker)
    if outcome.summary is None:
        sys.exit(f"error: {outcome.error}")


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
