"""Trainings through a real Ray: a rank that is stopped in the middle, validation beside."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.host.tensors import TensorState
from pipelines.training import checkpoint
from pipelines.training.job import Job, SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from tests.worlds import checkouts, drawn, two_ranks
from tests.worlds.alike import assert_same
from tests.worlds.here import ROOT
from tests.worlds.listening import is_loopback

pytestmark = [pytest.mark.full, pytest.mark.road]


def end_state(job: Job) -> TensorState:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


def job_in(folder: Path, **training: object) -> Job:
    """On drawn people, in `folder` as its home."""
    data = drawn.draw(folder)
    digest = json.loads((data[0] / "summary.json").read_text())["data_hash"]
    job = drawn.small_job(folder / "runs" / "small", data, drawn.small_recipe(**training))
    return replace(job, data_hash=digest)


def through_ray(job: Job, how: str) -> str:
    """All that it says."""
    home = job.run_folder.parents[1]
    path = home / "job"
    path.write_bytes(pickle.dumps(job))
    shell = {k: v for k, v in checkouts.a_shell().items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds.through_ray", str(path), how],
        cwd=ROOT, env=shell | {"LIMBER_HOME": str(home)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def measured(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Without what a clock said."""
    clocked = ("samples_per_second", "data_wait_share", "seconds")
    return [{k: v for k, v in row.items() if k not in clocked} for row in history]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
def test_validation_beside_gives_the_same_history(tmp_path: Path) -> None:
    job = job_in(tmp_path, epochs=3)
    said = through_ray(job, "beside")
    (line,) = [each for each in said.splitlines() if each.startswith("history ")]
    assert said.count(", beside") == 3
    assert said.count("small: loaders auto: ") == 1  # counting them decides nothing, either
    inline = replace(job, run_folder=tmp_path / "inline")
    history = train_loop(inline, Rank(), SilentListener()).history
    assert measured(json.loads(line.removeprefix("history "))) == measured(history)
    numbers = [
        [manifest.metric for manifest in checkpoint.read_manifests(each.run_folder)]
        for each in (job, inline)
    ]
    assert numbers[0][-2:] == numbers[1][-2:]
    assert (job.run_folder / "pictures" / "epoch_0003.jpg").is_file()


@pytest.mark.timeout(600)
def test_a_stopped_rank_is_found_and_the_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    job = job_in(tmp_path, checkpoint_every_steps=2)
    said = through_ray(job, "stops")
    stopped = int((tmp_path / "runs" / "stopped").read_text())
    assert not Path(f"/proc/{stopped}").exists()  # nobody is left waiting
    assert "rank 1 says nothing more" in said
    assert "goes on from step_00000004" in said
    (stacks,) = job.run_folder.glob("stacks-*-rank0.txt")
    assert "train_step" in stacks.read_text()

    addresses = json.loads((tmp_path / "runs" / "listening").read_text())
    assert addresses and all(map(is_loopback, addresses)), "while it trains: nobody else can reach"

    undisturbed = replace(job, run_folder=tmp_path / "undisturbed")
    two_ranks.finish(two_ranks.start(undisturbed, "train", tmp_path / "meeting"))
    expected, found = end_state(undisturbed), end_state(job)
    for part in ("epoch", "step", "model", "average", "optimizer"):
        assert_same(found[part], expected[part], part)
