"""The cluster of params.yaml: its profile chosen, held against the machine, wrong keys named."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.recipe.params import load_params
from pipelines.recipe.profile import check_machine, read_cluster


@pytest.mark.parametrize(
    ("gpus", "name", "workers"),
    [(0, "cpu", 2), (1, "single_gpu", 1), (2, "dual_3090", 2), (4, "dual_3090", 2)],
)
def test_auto_goes_by_the_number_of_gpus(gpus: int, name: str, workers: int) -> None:
    cluster = read_cluster(load_params(), gpus)
    assert (cluster.profile, cluster.machine.workers) == (name, workers)
    assert cluster.machine.gpu is (gpus > 0)
    enough = workers * cluster.machine.cpus_per_worker
    check_machine(cluster, cpus=enough, gpus=gpus)
    with pytest.raises(ValueError, match=rf"{name}: asks for {enough} CPUs, this machine has"):
        check_machine(cluster, cpus=enough - 1, gpus=gpus)


def test_one_card_in_a_desktop_of_four_cpus_is_enough_for_auto() -> None:
    check_machine(read_cluster(load_params(), gpus=1), cpus=4, gpus=1)


def test_a_name_and_a_number_of_workers_go_before_auto() -> None:
    params = load_params()
    params["cluster"]["profile"] = "dual_3090"
    assert read_cluster(params, gpus=1).profile == "dual_3090"
    assert read_cluster(params, gpus=2, workers=5).machine.workers == 5
    for odd in (0, -1, 5000):
        with pytest.raises(ValueError, match=f"^--workers: given {odd}, accepted: .* 1 to 4,096"):
            read_cluster(params, gpus=2, workers=odd)


@pytest.mark.parametrize(
    ("profile", "cpus", "gpus", "said", "unsaid"),
    [
        ("dual_3090", 64, 1, "asks for 2 GPUs.*--workers 1", "cpus_per_worker"),
        ("dual_3090", 12, 2, "asks for 16 CPUs.*--workers 1.*lower cpus_per_worker", "--workers 0"),
        ("single_gpu", 2, 1, "asks for 4 CPUs, this machine has 2.*lower cpus", "--workers"),
        ("single_gpu", 8, 0, "asks for 1 GPUs.*another cluster.profile", "--workers"),
    ],
)
def test_a_refusal_names_only_ways_that_lead_out(
    profile: str, cpus: int, gpus: int, said: str, unsaid: str
) -> None:
    params = load_params()
    params["cluster"]["profile"] = profile
    with pytest.raises(ValueError, match=said) as refused:
        check_machine(read_cluster(params, gpus), cpus, gpus)
    assert unsaid not in str(refused.value)


def test_the_memory_of_a_card_may_be_left_out() -> None:
    params = load_params()
    assert read_cluster(params, gpus=0).machine.memory_gib is None
    assert read_cluster(params, gpus=1).machine.memory_gib == 12
    params["cluster"]["profiles"]["single_gpu"]["memory_gib"] = "12G"
    with pytest.raises(ValueError, match=r"single_gpu\.memory_gib: given '12G', accepted: GiB"):
        read_cluster(params, gpus=1)


@pytest.mark.parametrize(
    ("profile", "given", "auto", "most"),
    [
        ("dual_3090", 6, False, 6),
        ("dual_3090", "auto", True, 7),  # of 8 CPUs one tells the GPU what to do
        ("cpu", "auto", True, 0),  # the one that it has trains
    ],
)
def test_loaders_are_a_count_or_auto_within_the_cores_of_a_worker(
    profile: str, given: object, auto: bool, most: int
) -> None:
    params = load_params()
    params["cluster"]["profile"] = profile
    params["cluster"]["profiles"][profile]["loader_workers"] = given
    machine = read_cluster(params, gpus=0).machine
    assert (machine.auto_loaders, machine.most_loaders) == (auto, most)


@pytest.mark.parametrize("given", ["many", None, True, 257, -1])
def test_other_loaders_than_a_count_or_auto_are_refused(given: object) -> None:
    params = load_params()
    params["cluster"]["profiles"]["cpu"]["loader_workers"] = given
    accepted = r"loader_workers: given .*, accepted: a whole number, 0 to 256 or auto"
    with pytest.raises(ValueError, match=accepted):
        read_cluster(params, gpus=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "laptop"}, r"cluster\.profile: given 'laptop', accepted: auto, cpu"),
        ({"adress": "x"}, r"cluster\.adress: unknown key; did you mean 'address'"),
        ({"stall_minutes": 0}, r"stall_minutes: given 0, accepted: minutes, more than 0"),
        ({"profiles": {"cpu": {"workers": 2}}}, r"profiles\.cpu: .* accepted: a mapping with"),
    ],
)
def test_a_wrong_cluster_is_refused(change: dict[str, Any], message: str) -> None:
    params = load_params()
    with pytest.raises(ValueError, match=message):
        read_cluster({**params, "cluster": {**params["cluster"], **change}}, gpus=0)
