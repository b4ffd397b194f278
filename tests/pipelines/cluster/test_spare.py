"""Where there is room for a validation beside a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.cluster.spare import spare_resources
from pipelines.recipe.profile import Cluster, Profile
from tests.worlds import drawn

pytestmark = pytest.mark.unit
MACHINE = Profile(2, True, "nccl", 64, 4, 4, 2, validation="beside")


@pytest.mark.parametrize(
    ("machine", "there", "grows", "given"),
    [
        (MACHINE, {"CPU": 12.0, "GPU": 3.0}, False, {"num_cpus": 4.0, "num_gpus": 1.0}),
        (MACHINE, {"CPU": 12.0, "GPU": 2.0}, False, None),
        (MACHINE, {"CPU": 11.0, "GPU": 3.0}, False, None),
        (MACHINE, {}, True, {"num_cpus": 4.0, "num_gpus": 1.0}),
        (replace(MACHINE, validation="inline"), {"CPU": 99.0, "GPU": 9.0}, False, None),
        (
            replace(MACHINE, gpu=False, backend="gloo"),
            {"CPU": 12.0},
            False,
            {"num_cpus": 4.0, "num_gpus": 0.0},
        ),
    ],
)
def test_one_more_worker_or_inline(
    machine: Profile, there: dict[str, float], grows: bool, given: object, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    cluster = Cluster("some", machine, None, 0, grows=grows)
    assert spare_resources(job, cluster, there) == given
    told = "validated inline" in capsys.readouterr().out
    assert told == (given is None and machine.validation == "beside")
