"""Workers that come and go: what Ray is asked for, word before some end, a cluster that does it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.cluster.elastic import (
    RESIZE_S,
    SPARE_S,
    WORD,
    Drains,
    KeptBeforeResize,
    NodesGone,
    Word,
    failures,
    scaling,
    worker_notice,
)
from pipelines.host import places
from pipelines.intake.prepared import data_hash
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training.checkpoint import read_manifests
from pipelines.training.parts import build_feed
from pipelines.training.rank import Rank
from tests.worlds import drawn, growing_cluster
from tests.worlds.here import ROOT

END_S = 1000.0


def test_ray_is_asked_for_the_workers_of_the_profile() -> None:
    machine = read_cluster(load_params(), gpus=0).machine
    assert scaling(machine) == {"num_workers": machine.workers}
    elastic = scaling(replace(machine, workers=4, least_workers=2))
    assert elastic == {"num_workers": (2, 4), "elastic_resize_monitor_interval_s": RESIZE_S}


def test_nodes_that_are_taken_back_count_for_no_failure() -> None:
    cluster = replace(read_cluster(load_params(), gpus=0), max_failures=3)
    assert failures(cluster) == {"max_failures": 3, "max_preemption_failures": -1}


def info(end_s: float | None, *nodes: str) -> Any:
    """As Ray's PreemptionInfo."""
    deadline = None if end_s is None else int(end_s * 1000)
    return SimpleNamespace(deadline_ms=deadline, preempted_node_ids=list(nodes))


class Node:
    """What a `Drains` sees, and its clock."""

    def __init__(self) -> None:
        self.info: Any = None
        self.now = 0.0
        self.drains = Drains(lambda: self.info, lambda: self.now)

    def heard_at(self, now: float) -> bool:
        self.now = now
        return self.drains.heard()

    def kept_at(self, now: float) -> None:
        self.now = now
        self.drains.kept()


def test_a_node_that_is_to_end_is_heard_of_at_once_and_again_in_time_before() -> None:
    node = Node()
    assert not node.heard_at(1)
    node.info = info(END_S, "a")
    assert node.heard_at(10) and not node.heard_at(11)
    node.kept_at(30)  # 20 s later
    last_call = END_S - 2 * 20 - SPARE_S
    assert not node.heard_at(last_call - 1)
    assert node.heard_at(last_call) and not node.heard_at(last_call + 1)
    node.kept_at(last_call + 20)
    assert not node.heard_at(END_S - 1), "no third"


def test_another_node_is_another_word() -> None:
    node = Node()
    node.info = info(END_S, "a")
    assert node.heard_at(10)
    node.kept_at(12)
    node.info = info(END_S, "a", "b")
    assert node.heard_at(20)


@pytest.mark.parametrize("end", [None, 30.0])
def test_no_second_checkpoint_where_none_is_through_in_time(end: float | None) -> None:
    node = Node()
    node.info = info(end, "a")
    assert node.heard_at(10)
    node.kept_at(20)
    assert not any(node.heard_at(now) for now in (21, 29, 31, 2000))


def test_a_word_is_taken_once_and_done_when_its_checkpoint_is() -> None:
    word = Word()
    assert not word.is_said and not word.take()
    word.say()
    assert word.is_said and not word.is_done
    assert word.take() and not word.take() and not word.is_done
    word.done()
    assert word.is_done
    word.say()
    assert not word.is_done, "another word is not done by an earlier checkpoint"
    word.over()
    assert word.is_done, "nobody takes a word any more"


def test_rank_0_alone_hears_a_word() -> None:
    second = worker_notice(1)
    WORD.say()
    try:
        assert not second.heard() and WORD.is_said
    finally:
        WORD.take()
    worker_notice(0).kept()
    assert WORD.is_done, "its checkpoint is what a resize waits for"


class Controlled:
    """A worker as Ray's controller sees it: what is executed there, at once and here."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers, self.asked = answers, [""]

    def execute_async(self, function: Any) -> Any:
        self.asked.append(function.__name__)
        return self.answers.pop(0) if function.__name__ == "is_kept" else None


def state_named(name: str) -> Any:
    state = type(name, (), {})()
    state.scaling_decision = SimpleNamespace(num_workers=2)
    return state


@pytest.mark.parametrize(
    ("state", "asked"),
    [("ResizingState", ["say_resize", "is_kept", "is_kept"]), ("RestartingState", [])],
)
def test_a_resize_waits_for_the_checkpoint_and_a_restart_after_a_failure_for_none(
    state: str, asked: list[str]
) -> None:
    worker = Controlled([False, True])
    callback = KeptBeforeResize(get=lambda answer, timeout: answer, sleep=lambda _: None)
    callback.after_worker_group_start(SimpleNamespace(get_workers=lambda: [worker]))
    callback.after_controller_state_update(None, state_named(state))
    assert worker.asked[1:] == asked


def test_a_worker_that_died_holds_no_resize_back(capsys: pytest.CaptureFixture[str]) -> None:
    def dead(*_: object, **__: object) -> None:
        raise RuntimeError("it died")

    callback = KeptBeforeResize(get=dead)
    callback.after_controller_state_update(None, state_named("ResizingState"))
    callback.after_worker_group_start(SimpleNamespace(get_workers=lambda: [Controlled([])]))
    callback.after_controller_state_update(None, state_named("ResizingState"))
    assert "no checkpoint before the change of workers: it died" in capsys.readouterr().out


@pytest.mark.parametrize(("outlives", "slept"), [(3, 3), (0, 0)])
def test_a_restart_waits_for_a_nodes_end_and_has_the_room_counted(
    outlives: int, slept: int
) -> None:
    done: list[str] = []

    def nodes() -> list[dict[str, Any]]:
        lives = done.count("slept") < outlives
        return [{"NodeID": "a", "Alive": lives}, {"NodeID": "b", "Alive": True}]

    gone = NodesGone(nodes, lambda: done.append("counted"), lambda _: done.append("slept"))
    before = state_named("PreemptingState")
    before.preemption_info = info(END_S, "a")
    gone.after_controller_state_update(before, state_named("RestartingState"))
    assert done == ["slept"] * slept + ["counted"]


def test_room_is_counted_after_a_failure_too_and_in_no_other_state() -> None:
    done: list[str] = []
    gone = NodesGone(list, lambda: done.append("counted"))
    gone.after_controller_state_update(None, state_named("RunningState"))
    assert done == []
    gone.after_controller_state_update(None, state_named("RestartingState"))
    assert done == ["counted"]


@pytest.mark.contract
@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_training_goes_on_as_a_cluster_grows_and_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker, then two and one that stands by, then one: each change from that very step on."""
    home = tmp_path / "home"
    data = drawn.draw(home, val=2)
    recipe = drawn.small_recipe(epochs=2, steps_per_epoch=6)
    monkeypatch.setenv("LIMBER_HOME", str(home))
    job = drawn.small_job(home / places.RUNS / "small", data, recipe)
    job = replace(job, data_hash=data_hash(drawn.NAME))
    (tmp_path / "job").write_bytes(pickle.dumps(job))
    kept = ("PATH", "HOME", "LANG")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    said = subprocess.run(
        [sys.executable, "-m", "tests.worlds.growing_cluster", "run",
         str(tmp_path / "job"), str(tmp_path)],
        cwd=ROOT, env=environment | {"PYTHONPATH": str(ROOT), "LIMBER_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=870,
    ).stdout  # fmt: skip
    assert (tmp_path / "end.json").is_file(), said
    summary = json.loads((tmp_path / "end.json").read_text())["summary"]
    assert summary, said
    steps = [
        json.loads(line)
        for line in (job.run_folder.parent / "steps.jsonl").read_text().splitlines()
    ]
    worlds = [world for world, before in zip(steps, [[0, 0], *steps], strict=False)]
    order = [world for n, (_, world, *_) in enumerate(worlds) if not n or steps[n - 1][1] != world]
    assert order == [1, 2, 1]
    grows, shrinks = growing_cluster.GROWS_AT + 1, growing_cluster.SHRINKS_AT + 1
    for step in (grows, shrinks):
        assert f"step_{step:08d}.pt" in said, "goes on from that very step"
    assert "worker 3 stands by: 2 of 3 workers share a global batch of 8" in said

    sampler = build_feed(job, Rank()).sampler
    lasting: dict[int, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for number, world, rows, rate in steps:
        lasting[number][world].append((rows, rate))
    for number in range(1, 13):
        sampler.set_epoch((number - 1) // 6)
        expected = sorted(sampler.order()[(number - 1) % 6].tolist())
        for ranks in lasting[number].values():
            assert sorted(row for rows, _ in ranks for row in rows) == expected, number
    assert sorted(lasting) == list(range(1, 13))
    trained_twice = [number for number, by in lasting.items() if len(by) > 1]
    assert trained_twice == [shrinks + 1], "what was trained after the last word alone"
    assert (summary["steps"], summary["world_size"]) == (12, 1)
    assert [row["step"] for row in summary["history"]] == [6, 12]
    assert [m.step for m in read_manifests(job.run_folder)][-1] == 12
