"""Trainings across two nodes that share nothing but an S3 server; one killed, the head killed."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worlds.checkouts import small_road, start_dvc
from tests.worlds.s3_servers import BUCKET, KEYS, plain_client, served
from tests.worlds.two_nodes import Cluster, can_hide

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not can_hide(), reason="this user may have no mount namespaces"),
]
RECIPE = "demo_simple_baseline"
EPOCHS = 20  # enough that none of the deaths comes after the end
SECRET = KEYS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[dict[str, str], Any]]:
    """(variables by which it is reached, but for its address; its client) of an S3 server."""
    with served("moto", Path()) as address:
        client = plain_client(address)
        client.create_bucket(Bucket=BUCKET)
        yield {**KEYS, "endpoint": address}, client


@pytest.fixture(scope="module")
def cluster(bucket: tuple[dict[str, str], Any]) -> Iterator[Cluster]:
    keys = {name: value for name, value in bucket[0].items() if name != "endpoint"}
    with Cluster(keys) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, bucket: tuple[dict[str, str], Any]) -> tuple[Path, str]:
    """A checkout whose road is through, and what it said."""
    folder = checkout(cluster, "undisturbed", bucket[0]["endpoint"])
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.road"], cwd=folder, env=cluster.shell, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    return folder, done.stdout


def checkout(cluster: Cluster, name: str, endpoint: str) -> Path:
    """Of a small road, which no node sees; its store is a prefix of that name."""
    folder = cluster.checkout / name
    small_road(
        folder,
        {RECIPE: {"epochs": EPOCHS, "global_batch": 16}},
        (60, 12),
        storage=f"s3://bucket/{name}",
        s3={"endpoint": endpoint, "region": "us-east-1"},
        cluster={"profile": "cpu"},
    )
    start_dvc(folder)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    best = torch.load(folder / f"results/{RECIPE}/trained/best.pt", weights_only=True)
    kept: dict[str, torch.Tensor] = best["model"]
    return kept


def test_a_road_whose_training_runs_where_nothing_is_shared(
    cluster: Cluster, undisturbed: tuple[Path, str], bucket: tuple[dict[str, str], Any]
) -> None:
    folder, said = undisturbed
    assert "champion of pose-coco: version 1, demo_simple_baseline" in said
    summary = json.loads((folder / f"results/{RECIPE}/trained/summary.json").read_text())
    assert (summary["world_size"], summary["epochs"]) == (2, EPOCHS)
    for name, other in (("a", "b"), ("b", "a")):
        assert not cluster.sees(name, cluster.checkout)
        assert not cluster.sees(name, cluster.root / other)
        assert cluster.sees(name, cluster.root / name / "cache"), "it brought what it needs"
    assert epochs_told(folder) == list(range(1, EPOCHS + 1))
    for path in (folder / "runs").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    jobs = json.dumps([job["runtime_env"] for job in jobs_of(cluster)])
    assert "LIMBER_STORAGE" in jobs and SECRET not in jobs


def epochs_told(folder: Path) -> list[int]:
    """Epochs of the training's only run in the checkout's MLflow."""
    script = (
        "import mlflow, sys, json; c = mlflow.MlflowClient('sqlite:///mlflow.db'); "
        "e = [x for x in c.search_experiments() if x.name == 'limber'][0]; "
        "r, = c.search_runs([e.experiment_id]); "
        "print(json.dumps([int(p.value) for p in c.get_metric_history(r.info.run_id, 'epoch')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    told: list[int] = json.loads(done.stdout.splitlines()[-1])
    return told


def jobs_of(cluster: Cluster) -> list[dict[str, Any]]:
    script = (
        "import json; from ray.job_submission import JobSubmissionClient as C; "
        f"print(json.dumps([j.dict() for j in C('{cluster.address}').list_jobs()], default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=cluster.shell, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    jobs: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return jobs


@pytest.mark.usefixtures("undisturbed")
def test_a_second_checkout_takes_over_what_is_trained(
    cluster: Cluster, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    """Of the same recipe, data and code: by the store alone."""
    folder = cluster.checkout / "second"
    skip = shutil.ignore_patterns("runs", "results", "reports", "mlflow.db*", "mlartifacts", ".git")
    shutil.copytree(undisturbed[0], folder, symlinks=True, ignore=skip)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.train", RECIPE], cwd=folder, env=cluster.shell,
        timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    mine, theirs = weights(folder), weights(undisturbed[0])
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert epochs_told(folder) == list(range(1, EPOCHS + 1))


def test_nodes_that_die_lose_nothing(
    cluster: Cluster, undisturbed: tuple[Path, str], bucket: tuple[dict[str, str], Any]
) -> None:
    """A worker's node first, then the head with all that it knew; the road goes on by itself."""
    folder = checkout(cluster, "disturbed", bucket[0]["endpoint"])
    log = cluster.root / "disturbed.log"
    with log.open("w") as file:
        road = subprocess.Popen(
            [sys.executable, "-m", "pipelines.road"], cwd=folder, env=cluster.shell,
            stdout=file, stderr=file,
        )  # fmt: skip
    try:
        wait_for(road, log, lambda: manifests(bucket[1], "disturbed") >= 1)
        cluster.kill("b")
        wait_for(road, log, lambda: "a node went" in log.read_text())
        cluster.start("b")
        wait_for(road, log, lambda: "goes on from" in log.read_text())
        cluster.kill("a")
        cluster.kill("b")
        cluster.start("a")
        wait_for(road, log, lambda: "nodes are not back yet" in log.read_text())
        cluster.start("b")
        road.wait(600)
    finally:
        if road.poll() is None:
            road.send_signal(signal.SIGTERM)
            road.wait(60)
    assert road.returncode == 0, log.read_text()[-5000:]
    assert log.read_text().count("goes on from") >= 2
    assert learned(folder) == learned(undisturbed[0])  # before the weights: it tells what differs
    mine, theirs = weights(folder), weights(undisturbed[0])
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)
    assert epochs_told(folder) == list(range(1, EPOCHS + 1))


def learned(folder: Path) -> tuple[int, list[dict[str, str]]]:
    """The best epoch, and every epoch's losses and numbers."""
    results = folder / f"results/{RECIPE}/trained"
    speed = ("samples_per_second", "data_wait_share", "seconds")
    with (results / "history.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k not in speed} for row in csv.DictReader(file)]
    return json.loads((results / "summary.json").read_text())["best_epoch"], rows


def manifests(client: Any, prefix: str) -> int:
    """Epoch of the newest checkpoint that is whole in the store; 0 where there is none."""
    rows = client.list_objects_v2(Bucket="bucket", Prefix=f"{prefix}/runs/").get("Contents", [])
    names = [row["Key"] for row in rows if "/checkpoints/step_" in row["Key"]]
    kept = [name for name in names if name.endswith(".json")]
    bodies = [client.get_object(Bucket="bucket", Key=name)["Body"].read() for name in kept]
    return max((json.loads(body)["epoch"] for body in bodies), default=0)


def wait_for(road: subprocess.Popen[bytes], log: Path, there: Any) -> None:
    end = time.monotonic() + 300
    while not there():
        if road.poll() is not None or time.monotonic() > end:
            raise RuntimeError(log.read_text()[-5000:])
        time.sleep(0.2)
