"""SIGKILL of ranks at random moments, loader workers and checkpoint writing included; of what a
training has on a Ray cluster."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipelines.tracking.outbox import Outbox
from pipelines.tracking.runs import OUTBOX_NAME, deliver_outbox
from pipelines.tracking.server import mlflow_client
from pipelines.training import checkpoint
from pipelines.training.job import Job
from tests.chaos.fault import Fault, Outcome, shared_folder, struck
from tests.worlds import drawn, mlflow_here
from tests.worlds.alike import assert_same
from tests.worlds.here import ROOT

EPOCHS, KILLS = 2, 3
LONGER, MORE = 8, 10  # epochs and kills where one cluster serves many
PARTS = ("epoch", "step", "model", "average", "optimizer", "skipped")


def draw_people(home: Path) -> None:
    drawn.draw(home)


def job_in(folder: Path, loader_workers: int, epochs: int = EPOCHS) -> Job:
    """Of two ranks, with a checkpoint after every step."""
    home = shared_folder("people", draw_people)
    data = [home / "data" / "store" / kind / drawn.NAME for kind in ("prepared", "raw")]
    recipe = drawn.small_recipe(epochs=epochs, checkpoint_every_steps=1)
    machine: dict[str, Any] = {"max_batch_per_worker": 4, "loader_workers": loader_workers}
    job = drawn.small_job(folder / "run", (data[0], data[1]), recipe, **machine)
    summary = json.loads((data[0] / "summary.json").read_text())
    return replace(job, data_hash=summary["data_hash"])  # ranks of a cluster look at it


def run(
    job: Job,
    folder: Path,
    seed: str,
    kills: int,
    seconds: float | None = None,
    world: str = "ranks_that_die",
) -> None:
    path = folder / "job"
    path.write_bytes(pickle.dumps(job))
    told = {"PYTHONPATH": str(ROOT)}
    told |= {} if seconds is None else {"RANKS_SECONDS": str(seconds)}
    command = [sys.executable, "-m", f"tests.worlds.{world}", str(path), str(folder), seed]
    with tempfile.TemporaryDirectory(prefix="run-") as own:  # as a head has it
        done = subprocess.run(
            [*command, str(kills)],
            cwd=ROOT, env=os.environ | told | {"TMPDIR": own}, capture_output=True, text=True,
        )  # fmt: skip
    print(done.stdout, done.stderr[-4000:], sep="", flush=True)
    assert done.returncode == 0, done.stderr[-4000:]
    for line in done.stdout.splitlines():
        if line.startswith("struck "):
            struck(line.removeprefix("struck "))


@cache
def undisturbed(shared: str, epochs: int = EPOCHS) -> tuple[dict[str, Any], float]:
    """(what a training that nobody kills ends with, seconds that it takes)."""
    folder = Path(shared) / "undisturbed"
    folder.mkdir(parents=True)
    job = job_in(folder, 0, epochs)
    run(job, folder, "", 0)
    return end_of(job), float((folder / "seconds").read_text())


def end_of(job: Job) -> dict[str, Any]:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


def kills_ranks(draw: random.Random, folder: Path) -> Outcome:
    """The bits of the undisturbed training, one run of MLflow, each epoch once."""
    expected, seconds = undisturbed(os.environ["LIMBER_CHAOS_SHARED"])
    job = job_in(folder, draw.choice((0, 0, 1)))
    run(job, folder, str(draw.random()), KILLS, 1.2 * seconds)
    ends_alike(job, expected, folder)
    return "recovered"


def kills_on_ray(
    draw: random.Random, folder: Path, kills: int = MORE, epochs: int = LONGER
) -> Outcome:
    """The same, where ranks are Ray's workers and a node's raylet may be gone with them."""
    expected, _ = undisturbed(os.environ["LIMBER_CHAOS_SHARED"], epochs)
    job = job_in(folder, 0, epochs)
    run(job, folder, str(draw.random()), kills, world="dying_nodes")
    ends_alike(job, expected, folder, epochs)
    return "recovered"


def ends_alike(job: Job, expected: dict[str, Any], folder: Path, epochs: int = EPOCHS) -> None:
    found = end_of(job)
    for part in PARTS:
        assert_same(found[part], expected[part], part)
    is_told_once(job, folder, epochs)


def is_told_once(job: Job, folder: Path, epochs: int) -> None:
    database = folder / "mlflow.db"
    shutil.copy(shared_folder("mlflow", mlflow_here.fill) / "mlflow.db", database)
    os.environ["MLFLOW_TRACKING_URI"] = uri = f"sqlite:///{database}"
    path = job.run_folder / OUTBOX_NAME
    outbox = Outbox(path)
    told = [record for record, _ in outbox.records()]
    outbox.release()
    counted = Counter(each["epoch"] for each in told if each["kind"] == "epoch")
    assert counted == dict.fromkeys(range(1, epochs + 1), 1), counted
    assert len({each["id"] for each in told if each["kind"] == "open"}) == 1
    run_id = deliver_outbox(path)
    assert run_id is not None
    client = mlflow_client(uri)
    points = [point.step for point in client.get_metric_history(run_id, "epoch")]
    assert points == list(range(1, epochs + 1)), points
    run_info = client.get_run(run_id).info
    assert run_info.status == "FINISHED"
    assert len(client.search_runs([run_info.experiment_id])) == 1


FAULTS = [
    Fault(
        "ranks-killed",
        f"SIGKILL of random ranks at {KILLS} random moments of a training, checkpoint writing and "
        "loader workers included",
        "it goes on; final weights, average and optimizer equal the undisturbed run's to the bit; "
        "one MLflow run, each epoch once; no process, no folder left",
        kills_ranks,
        trials=15,
    ),
    Fault(
        "nodes-killed",
        "SIGKILL of a Ray worker, of a raylet whose node never comes back while another joins, of "
        f"the driver or of Ray Train's controller, at {MORE} moments of a training on a cluster",
        "it goes on, by itself or by the same command; final weights, average and optimizer equal "
        "the undisturbed run's to the bit; one MLflow run, each epoch once; nothing left",
        kills_on_ray,
        trials=9,
        drawn=partial(kills_on_ray, kills=1, epochs=EPOCHS),
    ),
]
