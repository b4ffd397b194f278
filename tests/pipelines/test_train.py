"""The stage around the loop: refusals before Ray, results, resume policy, profiles, one head."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines import train
from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import check_machine, read_cluster
from pipelines.training import attempt, checkpoint
from pipelines.training.job import Job, SilentListener, TrainingStopped, fingerprint
from pipelines.training.rank import Rank
from tests.worlds import drawn
from tests.worlds.here import ROOT


class QuietLog(SilentListener):
    """A run log that tells nobody."""

    run_id = "run-1"
    status = ""

    def close(self, status: str, patience: float) -> None:
        self.status = status


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with drawn people; the recipe `small` is the tests' own; nothing goes to MLflow."""
    drawn.draw(tmp_path)
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path))
    recipe = drawn.small_recipe(epochs=2, steps_per_epoch=2)
    monkeypatch.setattr(train, "load_recipe", lambda name: recipe)
    monkeypatch.setattr(attempt, "open_run", lambda *_, **__: QuietLog())
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    return tmp_path


def test_results_say_what_was_trained(home: Path) -> None:
    train.stage("small", local=True)
    folder = places.trained("small")
    best = torch.load(folder / "best.pt", weights_only=True)
    summary = json.loads((folder / "summary.json").read_text())
    recipe = drawn.small_recipe(epochs=2, steps_per_epoch=2)
    assert best["recipe"] == recipe.as_dict()
    assert best["fingerprint"] == summary["fingerprint"] == fingerprint(recipe, "d" * 64)
    assert best["epoch"] == summary["best_epoch"]
    assert (summary["steps"], summary["epochs"], summary["world_size"]) == (4, 2, 1)
    assert summary["run_id"] == "run-1"
    assert {"configuration", "build", "steps", "validation"} <= set(summary["seconds"])
    state = checkpoint.read_checkpoint(home / summary["checkpoint"])
    assert all(torch.equal(best["model"][k], v) for k, v in state["average"]["network"].items())
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "learning_rate", "AP@gt"} <= set(rows[0])


def test_a_finished_training_starts_afresh_and_an_unfinished_goes_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.stage("small", local=True)
    (run,) = (home / "runs").iterdir()
    (run / train.FINISHED).unlink()  # as if killed before its results were written
    train.stage("small", local=True)
    assert "goes on from" in capsys.readouterr().out
    assert [path.name for path in (home / "runs").iterdir()] == [run.name]
    train.stage("small", local=True)
    assert sorted(path.name for path in (home / "runs").iterdir()) == [run.name, f"{run.name}.1"]
    assert "goes on from" not in capsys.readouterr().out


def test_a_stopped_training_leaves_the_old_results(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(job: Job, rank: Rank, report: Any) -> None:
        raise TrainingStopped("enough")

    places.trained("small").mkdir(parents=True)
    monkeypatch.setattr(attempt, "train", stop)
    with pytest.raises(TrainingStopped, match="enough"):
        train.stage("small", local=True)
    assert list(places.trained("small").iterdir()) == []
    assert train.main(["small", "--local"]) == 1


def test_an_error_of_all_ranks_is_a_value_and_one_of_some_is_raised_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(job: Job, rank: Rank) -> None:
        raise ValueError("a broken image")

    monkeypatch.setattr(attempt, "_tracked", refuse)
    monkeypatch.setattr(attempt, "AGREE_S", 0.1)
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    with pytest.raises(ValueError, match="a broken image"):
        attempt.run_rank(job, Rank(0, 2), "mark")  # the other rank waits somewhere
    assert attempt.run_rank(job, Rank(0, 2), "mark").error == "a broken image"  # started again
    monkeypatch.setattr(attempt, "AGREE_S", 10.0)
    (tmp_path / "failed-two-1").touch()  # the other rank is here as well
    assert attempt.run_rank(job, Rank(0, 2), "two").error == "a broken image"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no recipe 'nothing'"),
        (["demo_hrnet"], "run `dvc repro prepare@stick_figures` first"),
        (["demo_hrnet", "--workers", "3"], "accepted with 3 workers: a multiple of 3"),
    ],
)
def test_what_is_wrong_is_said_before_ray_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path))
    monkeypatch.setattr(train, "catch_signals", lambda: None)
    assert train.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_profiles_are_chosen_and_checked() -> None:
    params = load_params()
    assert read_cluster(params, gpus=0).profile == "cpu"
    assert read_cluster(params, gpus=2).profile == "dual_3090"
    assert read_cluster(params, gpus=0, workers=5).machine.workers == 5
    cluster = read_cluster(params, gpus=0)
    check_machine(cluster, cpus=2, gpus=0)
    with pytest.raises(ValueError, match=r"profiles\.cpu: asks for 2 CPUs, this machine has 1"):
        check_machine(cluster, cpus=1, gpus=0)
    with pytest.raises(ValueError, match="dual_3090: asks for 2 GPUs"):
        check_machine(read_cluster(params, gpus=1), cpus=64, gpus=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "laptop"}, r"cluster\.profile: given 'laptop', accepted: auto, cpu"),
        ({"adress": "x"}, r"cluster\.adress: unknown key; did you mean 'address'"),
        ({"profiles": {"cpu": {"workers": 2}}}, r"profiles\.cpu: .* accepted: a mapping with"),
    ],
)
def test_a_wrong_cluster_is_refused(change: dict[str, Any], message: str) -> None:
    params = load_params()
    with pytest.raises(ValueError, match=message):
        read_cluster({**params, "cluster": {**params["cluster"], **change}}, gpus=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_never_success(tmp_path: Path, number: int) -> None:
    code = (
        "import sys, time; from pipelines import train\n"
        "train.stage = lambda *_, **__: (print('ready', flush=True), time.sleep(60))\n"
        "sys.exit(train.main(['demo_hrnet']))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    assert child.wait(30) == 128 + number


def test_two_ray_workers_share_one_head_that_ends_with_its_command(tmp_path: Path) -> None:
    """The only test with a real Ray: two trainings under one head; nothing is left behind."""
    drawn.draw(tmp_path, train=12, val=6)
    code = (
        "import os; from tests.worlds import drawn\n"
        "from pipelines import cluster, train\n"
        "train.load_recipe = lambda name: drawn.small_recipe(epochs=1, steps_per_epoch=2)\n"
        "with cluster.one_head():\n"
        "    train.stage('small', local=False)\n"
        "    folder = os.environ[cluster.FOLDER]\n"
        "    first = open(folder + '/head.json').read()\n"
        "    train.stage('small', local=False)\n"
        "    assert open(folder + '/head.json').read() == first\n"
        "    print('folder', folder, flush=True)\n"
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        "LIMBER_HOME": str(tmp_path),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'pipelines'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("starting a local Ray head") == 1
    folder = done.stdout.split("folder ")[1].split()[0]
    end = time.monotonic() + 10
    while Path(folder).exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(folder).exists()
    summary = json.loads((tmp_path / "results" / "small" / "trained" / "summary.json").read_text())
    assert summary["world_size"] == 2
    assert summary["run_id"]
