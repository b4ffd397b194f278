"""What a cluster can never give is told at once, with numbers and a way out."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import replace
from typing import Any

import pytest

from pipelines.cluster.capacity import Facts, Node, check_capacity, check_versions, grows
from pipelines.recipe.profile import Cluster, Profile

RAY, PYTHON = importlib.metadata.version("ray"), platform.python_version()
MACHINE = Profile(2, False, "gloo", 64, 0, 4, 1)
SMALL, LARGE, CARDS = Node("10.0.0.1", 4, 0), Node("10.0.0.2", 8, 0), Node("10.0.0.3", 16, 2)


def asks(machine: Profile, *nodes: Node, **more: Any) -> None:
    check_capacity(
        "http://head", Cluster("own", machine, None, 0), Facts(RAY, PYTHON, nodes, **more)
    )


def test_each_worker_finds_room_on_one_node() -> None:
    asks(MACHINE, SMALL, SMALL)
    asks(MACHINE, LARGE)
    asks(replace(MACHINE, gpu=True, backend="nccl"), CARDS)
    split = replace(MACHINE, cpus_per_worker=6)
    with pytest.raises(ValueError, match=r"asks for 2 workers of 6 CPUs; .* take 1: .*4 CPUs"):
        asks(split, SMALL, LARGE)  # 12 CPUs in all, and yet


@pytest.mark.parametrize(
    ("machine", "nodes", "said"),
    [
        (
            MACHINE,
            [SMALL],
            r"cluster\.profiles\.own: asks for 2 .* take 1: 10\.0\.0\.1 \(4 CPUs, 0",
        ),
        (MACHINE, [SMALL], "--workers 1"),
        (replace(MACHINE, gpu=True), [LARGE], r"4 CPUs and 1 GPU; .* take 0: .*or lower cpus_per"),
        (replace(MACHINE, workers=3, gpu=True), [CARDS], "take 2"),
        (MACHINE, [], "take 0: none"),
        (replace(MACHINE, workers=4, least_workers=2), [SMALL], "asks for 2 workers"),
    ],
)
def test_what_never_fits_is_refused(machine: Profile, nodes: list[Node], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asks(machine, *nodes)
    asks(machine, *nodes, grows=True)  # an autoscaler may bring what is missing


def test_an_elastic_training_needs_its_least_workers_alone() -> None:
    asks(replace(MACHINE, workers=4, least_workers=1), SMALL)


@pytest.mark.parametrize(
    ("kinds", "may"),
    [
        ({"7395": "node_7395"}, False),
        ({"7395": "node_7395", "ab": "gpu-group"}, True),
        ({}, True),
    ],
)
def test_an_autoscaler_is_told_from_one_that_looks_on(kinds: dict[str, str], may: bool) -> None:
    assert grows({"clusterStatus": {"autoscalerReport": {"nodeTypeMapping": kinds}}}) is may


def test_other_versions_are_named_with_ours() -> None:
    for same in (PYTHON, f"{'.'.join(PYTHON.split('.')[:2])}.999", ""):
        check_versions("http://head", Facts(RAY, same, []))
    with pytest.raises(ValueError, match=rf"head: Ray: given '2\.1\.0', accepted: {RAY}, as here"):
        check_versions("http://head", Facts("2.1.0", PYTHON, []))
    with pytest.raises(ValueError, match=r"head: Python: given '3\.7\.1', accepted: 3\."):
        check_versions("http://head", Facts(RAY, "3.7.1", []))
