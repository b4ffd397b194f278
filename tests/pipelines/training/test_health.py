"""What this machine would lack for each recipe is told before there are any data."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.host.checkup import OK, WRONG
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training import health, preflight
from pipelines.training.rank import Rank


def test_room_is_told_without_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = health.room()
    assert finding.state == OK and "open files" in finding.said and "checkpoints" in finding.said
    small = preflight.Machine(lambda: 0, lambda _: 64, lambda _: 0)
    machine = read_cluster(load_params(), 2).machine  # the profile of two cards
    job = health.blank_job("demo_hrnet", machine)
    well, ill = health.look_for_room(job, Rank(), machine.workers, small)
    assert well == [] and [each.split(":")[0] for each in ill] == [
        "/dev/shm",
        "ulimit -n",
        str(job.run_folder),
    ]
    monkeypatch.setattr(health, "look_for_room", lambda *_: ([], ["ulimit -n: 64; raise it: x"]))
    (finding,) = health.room()
    assert (finding.state, finding.said, finding.do) == (WRONG, "ulimit -n: 64", "raise it: x")
