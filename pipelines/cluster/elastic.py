"""Workers that come and go: how many Ray Train is asked for, and word before some of them end.

A training on `workers: [1, 4]` starts on as many as there is room for, and is started again on more
or fewer when nodes join or go. Before that it keeps a checkpoint, so that it goes on from there:
Ray Train's controller tells rank 0 that it will resize, and Ray's watcher that a node is drained
(a spot instance that is taken back, a node that an autoscaler removes).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import (
    get_or_create_autoscaling_coordinator,
)
from ray.train.v2._internal.execution.callback import ControllerCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.context import get_train_context

from data.ground.refusal import masked
from pipelines.recipe.profile import Cluster, Profile
from pipelines.training.rank import Notice

RESIZE_S = 60.0  # how often room for more workers is looked for; $LIMBER_RESIZE_S
PATIENCE_S = 600.0  # how long a resize waits for a checkpoint: a validation may be under way
ASK_S = 0.5
GONE_S = 30.0  # how long a node may outlive its deadline
SPARE_S = 5.0  # before a node's end, beside what a checkpoint takes


def scaling(machine: Profile) -> dict[str, Any]:
    """What ScalingConfig is given for a profile's workers."""
    if not machine.is_elastic:
        return {"num_workers": machine.workers}
    workers = (machine.least_workers, machine.workers)
    seconds = float(os.environ.get("LIMBER_RESIZE_S", RESIZE_S))
    return {"num_workers": workers, "elastic_resize_monitor_interval_s": seconds}


def failures(cluster: Cluster) -> dict[str, Any]:
    """What FailureConfig is given: nodes that are taken back count for no failure."""
    return {"max_failures": cluster.max_failures, "max_preemption_failures": -1}


def callbacks(machine: Profile) -> list[Any]:
    """What RunConfig is given for a profile's workers."""
    return [KeptBeforeResize(), NodesGone()] if machine.is_elastic else []


class Word:
    """What rank 0's process was told and did: said by the controller, heard by the training."""

    def __init__(self) -> None:
        self._come, self._done, self._over = (threading.Event() for _ in range(3))

    def say(self) -> None:
        self._done.clear()
        self._come.set()

    @property
    def is_said(self) -> bool:
        """Whether there is something to take."""
        return self._come.is_set()

    def take(self) -> bool:
        """Whether something was said since it was taken last."""
        come = self._come.is_set()
        self._come.clear()
        return come

    def done(self) -> None:
        self._done.set()

    def over(self) -> None:
        """The training is through: nobody will take anything any more."""
        self._over.set()

    @property
    def is_done(self) -> bool:
        return self._done.is_set() or self._over.is_set()


WORD = Word()  # of this process


def say_resize() -> None:
    WORD.say()


def is_kept() -> bool:
    return WORD.is_done


def count_room() -> None:
    """Has Ray count what room its nodes have now, for all trainings that ask."""
    counter = get_or_create_autoscaling_coordinator()
    ray.get(counter.get_reserved_resources.remote("", recompute=True), timeout=PATIENCE_S)


class KeptBeforeResize(ControllerCallback, WorkerGroupCallback):  # type: ignore[misc]
    """In Ray Train's controller: no resize before rank 0 kept a checkpoint, or is through.

    Ray ends the workers without a word otherwise, and what they trained since the last checkpoint
    is trained again.
    """

    def __init__(
        self, get: Callable[..., Any] = ray.get, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._get, self._sleep = get, sleep
        self._first: Any = None  # rank 0's worker

    def after_worker_group_start(self, worker_group: Any) -> None:
        self._first = worker_group.get_workers()[0]

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        if type(current_state).__name__ != "ResizingState" or self._first is None:
            return
        workers = current_state.scaling_decision.num_workers
        print(f"the training goes on with {workers} workers, from a checkpoint of now", flush=True)
        try:
            self._wait()
        except Exception as error:  # noqa: BLE001 - a worker that died keeps nothing; Ray goes on
            print(masked(f"no checkpoint before the change of workers: {error}"), flush=True)

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE_S
        self._get(self._first.execute_async(say_resize), timeout=PATIENCE_S)
        while not self._get(self._first.execute_async(is_kept), timeout=PATIENCE_S):
            if time.monotonic() > end:
                raise TimeoutError(f"none within {PATIENCE_S:g} s")
            self._sleep(ASK_S)


class NodesGone(ControllerCallback):
    """In Ray Train's controller: before a start after a node's end, it no longer counts as room.

    Ray counts its nodes every 20 s, one that is drained as long as it lives; a start on workers
    that have no room any more fails only after a minute.
    """

    def __init__(
        self,
        nodes: Callable[[], list[dict[str, Any]]] = ray.nodes,
        count: Callable[[], None] = count_room,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._nodes, self._count, self._sleep = nodes, count, sleep

    def after_controller_state_update(self, previous_state: Any, current_state: Any) -> None:
        if type(current_state).__name__ != "RestartingState":
            return
        drained = type(previous_state).__name__ == "PreemptingState"
        ending = set(previous_state.preemption_info.preempted_node_ids) if drained else set()
        end = time.monotonic() + GONE_S
        while ending & self._alive() and time.monotonic() < end:
            self._sleep(ASK_S)
        try:
            self._count()
        except Exception as error:  # noqa: BLE001 - then Ray counts when it is due
            print(masked(f"room in the cluster was not counted: {error}"), flush=True)

    def _alive(self) -> set[str]:
        return {node["NodeID"] for node in self._nodes() if node["Alive"]}


def worker_notice(number: int) -> Notice:
    """Of worker `number`: rank 0 hears of resizes and drained nodes, which is enough for all."""
    if number:
        return Notice()
    drains = Drains(lambda: get_train_context().preemption_context.preemption_info)

    def heard() -> bool:
        return WORD.take() | drains.heard()

    def kept() -> None:
        drains.kept()
        WORD.done()

    return Notice(heard, kept)


class Drains:
    """Nodes of this training that are to end: heard of at once, and again just before they do.

    info: Ray's PreemptionInfo of now, or None: the nodes, and the deadline in ms since the epoch.
    """

    def __init__(self, info: Callable[[], Any], now: Callable[[], float] = time.time) -> None:
        self._info, self._now = info, now
        self._known: Any = None
        self._last_call: float | None = None  # when a checkpoint is still through in time
        self._asked = 0.0

    def heard(self) -> bool:
        info = self._info()
        if info is not None and info != self._known:
            self._known, self._asked = info, self._now()
            nodes = ", ".join(node[:8] for node in info.preempted_node_ids)
            print(f"told that these nodes of the training end: {nodes}", flush=True)
            return True
        if self._last_call is not None and self._now() >= self._last_call:
            self._last_call = None
            return True
        return False

    def kept(self) -> None:
        """The checkpoint that was asked for is safe; another one is due before the end."""
        if self._known is None or self._known.deadline_ms is None or self._last_call is not None:
            return
        now = self._now()
        took, end = now - self._asked, self._known.deadline_ms / 1000
        last_call = end - 2 * took - SPARE_S
        if now < last_call - SPARE_S:
            self._last_call = last_call
