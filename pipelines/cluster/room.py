"""Whether a cluster has room for a training, told where it must wait for it: for nodes that are not
back yet, for one that went, for others' trainings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.recipe.profile import Cluster, check_machine

BACK_S = 300.0  # for nodes to be back after their head was made anew
ANOTHER_S = 900.0  # for a node in place of one that went
Resources = Callable[[], Mapping[str, float]]  # all that nodes have, as `ray.cluster_resources`


@dataclass(frozen=True)
class Waits:
    """Seconds: that nodes are waited for, before that is told, between two looks."""

    limit_s: float
    told_s: float = 0.0
    look_s: float = 1.0


def shortage(cluster: Cluster, there: Mapping[str, float]) -> ValueError | None:
    """In a refusal's words what the cluster lacks in all for the training."""
    try:
        check_machine(cluster, there.get("CPU", 0), there.get("GPU", 0), "the cluster")
    except ValueError as short:
        return short
    return None


def wait_for_nodes(
    name: str, cluster: Cluster, there: Resources, waits: Waits = Waits(BACK_S)
) -> None:
    """Raises ValueError where the cluster has less in all than the training asks for.

    At once, but for a training whose nodes were there when it was submitted: a head that is made
    anew takes jobs before its nodes are back, so that they are waited for.
    """
    end, told = time.monotonic() + waits.limit_s * cluster.fitted, False
    while short := shortage(cluster, there()):
        if time.monotonic() >= end:
            raise short
        if not told:
            limit = f"at most {waits.limit_s:g} s"
            print(f"{name}: waits for room: nodes are not back yet ({short}); {limit}", flush=True)
        told = True
        time.sleep(waits.look_s)


class NodesWatch(threading.Thread):
    """Of a training that runs: tells of a node that went and left too little, and for how long
    another one is waited for. Ray Train would wait for ever, without a word."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        there: Resources,
        waits: Waits = Waits(ANOTHER_S, told_s=10.0, look_s=5.0),
    ) -> None:
        super().__init__(name="nodes", daemon=True)
        self._name, self._cluster, self._there, self._waits = name, cluster, there, waits
        self.given_up = ""  # why, once nobody is waited for any more

    def run(self) -> None:
        since, told = 0.0, False
        while not self.given_up:
            time.sleep(self._waits.look_s)
            try:
                short = shortage(self._cluster, self._there())
            except Exception:  # noqa: BLE001 - its head is away: the training hears of that itself
                continue
            if short is None:
                if told:
                    print(f"{self._name}: nodes are back", flush=True)
                since, told = 0.0, False
                continue
            since = since or time.monotonic()
            waited = time.monotonic() - since
            if waited >= self._waits.limit_s:
                self.given_up = (
                    f"{self._name}: no node came in place of one that went: {short}; the same "
                    "command goes on from the last checkpoint"
                )
            elif waited >= self._waits.told_s and not told:
                limit = f"at most {self._waits.limit_s:g} s"
                said = f"waits for room: a node went ({short}); for another one {limit}"
                print(f"{self._name}: {said}", flush=True)
                told = True


def why_waiting(cluster: Cluster, free: Mapping[str, float]) -> str:
    """`waits for room: asks for 2 CPUs, 1 is free`; "" where all that it asks for is free.

    free: as `ray.available_resources` tells it. A training that may begin with fewer workers asks
    for those.
    """
    machine = cluster.machine
    asked = {kind: machine.fewest_workers * n for kind, n in machine.each_worker.items()}
    short = [
        f"asks for {wanted:g} {kind}s, {free.get(kind, 0):g} free"
        for kind, wanted in asked.items()
        if wanted > free.get(kind, 0)
    ]
    return f"waits for room: {', '.join(short)}" if short else ""
