"""The cluster of params.yaml: its profile chosen, held against the machine, wrong keys named."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.recipe.params import load_params
from pipelines.recipe.profile import check_machine, read_cluster


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
