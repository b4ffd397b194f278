"""SIGKILL in the middle of a training by DVC and a local Ray: of DVC, of the stage, of the head and
what belongs to it, again and again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.tracking.server import mlflow_client
from pipelines.training import checkpoint
from tests.chaos.fault import TOKEN, Fault, Outcome, processes_of, shared_folder, struck
from tests.chaos.signals import nothing_goes_on, road
from tests.worlds.alike import assert_same
from tests.worlds.checkouts import a_shell, dvc, small_road, start_dvc
from tests.worlds.waiting import wait_for

RECIPE, EPOCHS = "demo_hrnet", 14
STAGE = f"train@{RECIPE}"
WHO = {  # by what stands in its command line
    "dvc": "dvc.cli", "driver": "pipelines.train", "head": "ray.scripts.scripts",
    "gcs": "gcs_server", "raylet": "raylet/raylet", "guard": "--guard",
}  # fmt: skip
# whom each training loses, in any order; nodes-killed strikes the others more often
ALWAYS = ("dvc", "dvc", "dvc", "head", "head", "gcs")
SOMETIMES, OF_THEM = ("driver", "raylet", "guard"), 1
KILLS = len(ALWAYS) + OF_THEM
LATE_S = 2.5  # at most, after the first epoch
EARLY_S = 15.0  # at most, after there is whom to strike
START_S, END_S = 400.0, 600.0
ENDS_S = 40.0  # of who was struck, but where a start is tried again
PARTS = ("epoch", "step", "model", "average", "optimizer", "skipped")


def fill(folder: Path) -> None:
    """A checkout that is ready to train, and what a training ends with that nobody disturbs."""
    training = {"epochs": EPOCHS, "checkpoint_every_steps": 1, "global_batch": 16}
    checkout, copy = folder / "limber", folder / "undisturbed"
    small_road(checkout, {RECIPE: training}, (40, 8), cluster={"max_failures": 9})
    start_dvc(checkout)
    dvc(checkout, "repro", "-q", "prepare@stick_figures", f"weights@{RECIPE}")
    shutil.copytree(checkout, copy, symlinks=True)
    process = trains(copy)
    assert process.wait(END_S) == 0, (copy / "said.txt").read_text()[-4000:]


def trains(checkout: Path) -> subprocess.Popen[bytes]:
    """The stage by DVC, as `make repro` has it run; what is before it is done."""
    (checkout / "said.txt").unlink(missing_ok=True)
    here = {"LIMBER_HOME": str(checkout), "PYTHONUNBUFFERED": "1"}
    return road(checkout, "--single-item", STAGE, **here)


def kills_one(draw: random.Random, folder: Path) -> Outcome:
    return kills(draw, folder, [draw.choice([*ALWAYS, *SOMETIMES])])


def kills(draw: random.Random, folder: Path, whom: Sequence[str] = ()) -> Outcome:
    """whom: in any order; by default as above."""
    shared, checkout = shared_folder("trained", fill), folder / "limber"
    shutil.copytree(shared / "limber", checkout, symlinks=True)
    process = trains(checkout)
    whom = whom or [*ALWAYS, *draw.sample(SOMETIMES, OF_THEM)]
    for who in draw.sample(whom, len(whom)):
        wait_until_struck(process, checkout, who, draw)
        there, victims = processes_of(os.environ[TOKEN]), found(WHO[who])
        if process.poll() is None and victims:
            os.kill(draw.choice(victims), signal.SIGKILL)
            struck(who)
            if not ends_within(process, ENDS_S):  # a head is tried three times before it is told
                continue
        is_told(who, process, checkout)
        nothing_goes_on(there)
        process = trains(checkout)
    if process.wait(END_S):  # the last strike came to its end only now
        is_told(who, process, checkout)
        nothing_goes_on(there)
        process = trains(checkout)
    assert process.wait(END_S) == 0, (checkout / "said.txt").read_text()[-4000:]
    expected, reached = (end_of(each) for each in (shared / "undisturbed", checkout))
    for part in PARTS:
        assert_same(reached[part], expected[part], part)
    is_told_once(checkout)
    return "recovered"


def ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def is_told(who: str, process: subprocess.Popen[bytes], checkout: Path) -> None:
    """By us; of the stage itself DVC alone can tell, of DVC nobody."""
    code = process.wait(END_S)
    said = (checkout / "said.txt").read_text()
    assert code or is_through(said) or is_done(said), said[-4000:]
    ours = {"dvc": "", "driver": "ERROR: failed to reproduce"}.get(who, "\nerror: ")
    assert code == 0 or ours in said, (who, code, said[-4000:])


def wait_until_struck(
    process: subprocess.Popen[bytes], checkout: Path, who: str, draw: random.Random
) -> None:
    """Any moment from the victim's beginning on; in the training itself every second time."""
    early = draw.random() < 0.5

    def there() -> bool:
        begun = bool(found(WHO[who])) if early else is_training(checkout)
        return begun or process.poll() is not None

    wait_for(there, f"{who} to be struck", START_S)
    time.sleep(draw.uniform(0, EARLY_S if early else LATE_S))


def is_training(checkout: Path) -> bool:
    return f"{RECIPE}  epoch" in (checkout / "said.txt").read_text(errors="replace")


def is_through(said: str) -> bool:
    return f"{RECIPE}: best epoch" in said


def is_done(said: str) -> bool:
    """It was through already."""
    return f"Stage '{STAGE}' didn't change" in said


def found(word: str) -> list[int]:
    return [each for each in processes_of(os.environ[TOKEN]) if word in command_line(each)]


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def end_of(checkout: Path) -> dict[str, Any]:
    (folder,) = (checkout / "runs").glob(f"{RECIPE}-*")
    newest = checkpoint.read_manifests(folder)[-1]
    return checkpoint.read_checkpoint(checkpoint.checkpoint_folder(folder) / newest.file)


def is_told_once(checkout: Path, recipe: str = RECIPE, epochs: int = EPOCHS) -> None:
    """One run of MLflow, each epoch once; what a busy machine could not send in time is sent."""
    (folder,) = (checkout / "runs").glob(f"{recipe}-*")
    sends = [sys.executable, "-m", "pipelines.tracking", str(folder / OUTBOX_NAME)]
    shell = a_shell() | {"LIMBER_HOME": str(checkout)}
    sent = subprocess.run(sends, cwd=checkout, env=shell, capture_output=True, text=True)
    assert sent.returncode == 0, sent.stderr[-2000:]
    client = mlflow_client(f"sqlite:///{checkout / 'mlflow.db'}")
    (experiment,) = (each for each in client.search_experiments() if each.name == "limber")
    (told,) = client.search_runs([experiment.experiment_id])
    steps = [each.step for each in client.get_metric_history(told.info.run_id, "epoch")]
    assert steps == list(range(1, epochs + 1)), steps
    assert told.info.status == "FINISHED"


FAULTS = [
    Fault(
        "ray-killed",
        f"SIGKILL of DVC, the stage, its Ray head, gcs, raylet or guard, {KILLS} times in a "
        "training by `make repro`, its start included",
        "it ends in a line, nothing of it is left, the same command goes on; weights, "
        "average and optimizer equal the undisturbed run's to the bit; one MLflow run, each epoch "
        "once",
        kills,
        trials=10,
        drawn=kills_one,
    ),
]
