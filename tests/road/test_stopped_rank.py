"""A rank that is stopped in the middle of a training through Ray."""

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
from pipelines.training.job import Job
from tests.worlds import checkouts, drawn, two_ranks
from tests.worlds.alike import assert_same
from tests.worlds.here import ROOT

pytestmark = [pytest.mark.full, pytest.mark.road]


def end_state(job: Job) -> TensorState:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


@pytest.mark.timeout(600)
def test_a_stopped_rank_is_found_and_the_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    data = drawn.draw(tmp_path)
    digest = json.loads((data[0] / "summary.json").read_text())["data_hash"]
    recipe = drawn.small_recipe(checkpoint_every_steps=2)
    job = replace(drawn.small_job(tmp_path / "runs" / "small", data, recipe), data_hash=digest)
    path = tmp_path / "job"
    path.write_bytes(pickle.dumps(job))
    shell = {k: v for k, v in checkouts.a_shell().items() if not k.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds.stopping", str(path)],
        cwd=ROOT, env=shell | {"LIMBER_HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    stopped = int((tmp_path / "runs" / "stopped").read_text())
    assert not Path(f"/proc/{stopped}").exists()  # nobody is left waiting
    assert "rank 1 says nothing more" in said
    assert "goes on from step_00000004" in said
    (stacks,) = job.run_folder.glob("stacks-*-rank0.txt")
    assert "train_step" in stacks.read_text()

    undisturbed = replace(job, run_folder=tmp_path / "undisturbed")
    two_ranks.finish(two_ranks.start(undisturbed, "train", tmp_path / "meeting"))
    expected, found = end_state(undisturbed), end_state(job)
    for part in ("epoch", "step", "model", "average", "optimizer"):
        assert_same(found[part], expected[part], part)
