"""What a cluster lacks for a training now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.cluster.room import NodesWatch, Waits, wait_for_nodes, why_waiting
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


def test_nodes_that_were_there_are_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A head that is made anew begins its jobs before its nodes are back."""
    cluster = Cluster("some", CPUS, None, 0, fitted=True)
    answers = iter([{}, {"CPU": 1.0}, {"CPU": 2.0}])
    wait_for_nodes("x", cluster, lambda: next(answers), Waits(300, look_s=0))
    assert next(answers, None) is None
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert told.startswith("x: waits for room: nodes are not back yet (params.yaml: cluster.")
    assert told.endswith("; at most 300 s\n")


@pytest.mark.parametrize("fitted", [True, False])
def test_nodes_that_never_come_are_told(fitted: bool) -> None:
    """At once, where they never were there."""
    cluster = Cluster("some", CPUS, None, 0, fitted=fitted)
    asked: list[int] = []

    def there() -> dict[str, float]:
        asked.append(1)
        return {"CPU": 1.0}

    waits = Waits(0.05 if fitted else 300.0, look_s=0.01)
    with pytest.raises(ValueError, match="asks for 2 CPUs, the cluster has 1"):
        wait_for_nodes("x", cluster, there, waits)
    assert (len(asked) > 1) == fitted


def test_a_node_that_went_is_waited_for_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    short, all_there = {"CPU": 1.0}, {"CPU": 2.0}
    answers = iter([all_there, short, short, short, all_there, all_there, short, short, short])

    def there() -> dict[str, float]:
        answer = next(answers, None)
        if answer is None:
            watch.given_up = "over"
            raise ConnectionError("the head is away")
        return answer

    cluster = Cluster("some", CPUS, None, 0)
    watch = NodesWatch("x", cluster, there, Waits(300, told_s=0, look_s=0.001))
    watch.run()
    went, back, again = capsys.readouterr().out.splitlines()
    assert went == again and back == "x: nodes are back"
    assert went.startswith("x: waits for room: a node went (params.yaml: cluster.profiles.some: ")
    assert "asks for 2 CPUs, the cluster has 1" in went
    assert went.endswith("; for another one at most 300 s")


def test_a_node_that_never_comes_back_is_given_up() -> None:
    watch = NodesWatch("x", Cluster("some", CPUS, None, 0), dict, Waits(0.01, look_s=0.002))
    watch.run()
    assert watch.given_up.startswith("x: no node came in place of one that went: params.yaml: ")


def test_trainings_that_shrink_miss_no_node(capsys: pytest.CaptureFixture[str]) -> None:
    elastic = Cluster("some", replace(CPUS, workers=4, least_workers=1), None, 0)
    wait_for_nodes("x", elastic, lambda: {"CPU": 1.0})
    assert not capsys.readouterr().out
