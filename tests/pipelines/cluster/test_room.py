"""What a cluster lacks for a training now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.cluster.room import why_waiting
from pipelines.recipe.profile import Cluster, Profile

GPUS = Profile(2, True, "nccl", 64, 6, 8, 4)
CPUS = Profile(2, False, "gloo", 64, 0, 1, 1)


@pytest.mark.parametrize(
    ("profile", "free", "why"),
    [
        (CPUS, {"CPU": 2.0}, ""),
        (CPUS, {"CPU": 1.0}, "waits for room: asks for 2 CPUs, 1 free"),
        (CPUS, {}, "waits for room: asks for 2 CPUs, 0 free"),
        (GPUS, {"CPU": 32.0, "GPU": 2.0}, ""),
        (GPUS, {"CPU": 32.0, "GPU": 1.0}, "waits for room: asks for 2 GPUs, 1 free"),
        (GPUS, {"CPU": 8.0}, "waits for room: asks for 16 CPUs, 8 free, asks for 2 GPUs, 0 free"),
        (replace(CPUS, workers=4, least_workers=1), {"CPU": 1.0}, ""),
    ],
)
def test_what_is_asked_for_and_what_is_free(
    profile: Profile, free: dict[str, float], why: str
) -> None:
    assert why_waiting(Cluster("some", profile, None, 0), free) == why
