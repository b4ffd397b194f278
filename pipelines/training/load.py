"""What a training takes of its machines, told beside it: per rank and node, and what it costs.

A thread of each rank looks every ten seconds and says it on the ranks' board; rank 0's tells it to
the log, with its own. Names are MLflow's: `system/...` of the node of rank 0, `system/node_1/...`
of a further one, `system/rank_3/...` of a rank's process and card; `pace/...` is what the progress
line says, `cost/...` what all attempts spent together. Training never waits for any of it. The
longer a training goes on, the rarer is told: about a value per thousandth of its time.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch

from data.ground.refusal import masked
from pipelines.host.progress import ProgressLine, Standing
from pipelines.tracking.machine_load import Card, NodeLoad, ProcessLoad, cards, named
from pipelines.training.board import Board
from pipelines.training.rank import Rank

LOOK_S = 10.0
POINTS = 1000  # a value is told after so small a part of the training's age, but not below LOOK_S
HEAR_S = 2.0  # for the board
SAID = "load"
JOULES_PER_KWH = 3.6e6


class Teller(Protocol):
    """Who is told; see `tracking/run_log.py: RunLog`."""

    def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None: ...
    def age(self) -> float: ...
    def tag(self, name: str, value: str) -> None: ...


class SilentTeller:
    """Of a training whose load nobody is told."""

    def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None: ...

    def age(self) -> float:
        return 0.0

    def tag(self, name: str, value: str) -> None: ...


@dataclass(frozen=True)
class Look:
    """What one rank found. node, cards: of the first rank on each node, None of others."""

    at: float  # time.time(): another one than last time, or the rank is silent
    process: dict[str, float]
    card: str  # driver's id; "" where it computes on none, or torch does not say
    node: dict[str, float] | None = None
    cards: list[Card] | None = None


@contextmanager
def load_told(rank: Rank, log: Teller | None, look_s: float = LOOK_S) -> Iterator[None]:
    """Every rank calls it at once; log: rank 0's."""
    nodes = rank.gather(socket.gethostname())
    if log is not None:
        log.tag("nodes", who_is_where(nodes))
    told = LoadThread(rank, nodes, log, look_s)
    told.start()
    try:
        yield
    finally:
        told.end()


def who_is_where(nodes: Sequence[str]) -> str:
    """["a", "a", "b"] -> "a: rank 0, 1; b: rank 2"."""
    ranks = {node: [str(r) for r, each in enumerate(nodes) if each == node] for node in nodes}
    return "; ".join(f"{node}: rank {', '.join(each)}" for node, each in ranks.items())


class LoadThread(threading.Thread):
    """Of one rank. nodes: of every rank."""

    def __init__(
        self, rank: Rank, nodes: Sequence[str], log: Teller | None, look_s: float = LOOK_S
    ) -> None:
        super().__init__(name="load", daemon=True)
        self._rank, self._log, self._look_s = rank, log, look_s
        first = nodes.index(nodes[rank.rank]) == rank.rank
        self._node = NodeLoad() if first else None
        self._process = ProcessLoad()
        self._board: Board | None = None  # met by the thread alone
        self._card = card_of(rank.device)
        self._sums = Sums(nodes, gpu=rank.device.type == "cuda")
        self._ending, self._told = threading.Event(), time.monotonic()
        self._standing: Standing | None = None

    def run(self) -> None:
        try:
            while not self._ending.wait(self._look_s):
                self._look()
        except Exception as error:  # noqa: BLE001 - a training does not end by what watches it
            print(masked(f"load: not told any more ({error!r})"), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Tells once more, without waiting for other ranks."""
        self._ending.set()
        self.join(HEAR_S + 1)
        if self._log is None or self.is_alive():
            return
        try:
            self._sums.add({self._rank.rank: self.look()})
            self._tell(self._log)
        except OSError as error:  # a full disk
            print(masked(f"load: not told ({error})"), file=sys.stderr, flush=True)

    def look(self) -> Look:
        node = self._node.read() if self._node else None
        there = cards() if self._node else None
        return Look(time.time(), self._process.read(), self._card, node, there)

    def _look(self) -> None:
        mine = self.look()
        self._board = self._board or Board(self._rank, "load")
        if self._log is None:
            self._board.say(SAID, asdict(mine))
            return
        others = self._board.heard(SAID, HEAR_S)
        self._sums.add({rank: read_look(said) for rank, said in others.items()} | {0: mine})
        if time.monotonic() - self._told >= self._log.age() / POINTS:
            self._tell(self._log)

    def _tell(self, log: Teller) -> None:
        self._told = time.monotonic()
        metrics, spent = self._sums.take()
        standing = ProgressLine.latest
        if standing is not None and standing is not self._standing:
            metrics |= {f"pace/{key}": value for key, value in standing.numbers().items()}
            self._standing = standing
        log.load(metrics, spent)


def card_of(device: torch.device) -> str:
    """The driver's id of a rank's card, without the `GPU-` before it."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else ""


def read_look(said: Mapping[str, Any]) -> Look:
    """What the board holds of another rank's."""
    there = said["cards"]
    return Look(**{**said, "cards": None if there is None else [Card(**each) for each in there]})


@dataclass
class Sums:
    """Looks added up between two tellings: means of what is taken, sums of what is spent."""

    nodes: Sequence[str]
    gpu: bool
    now: Callable[[], float] = time.monotonic
    _values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _heard: dict[int, Look] = field(default_factory=dict)
    _spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._at = self.now()

    def add(self, looks: Mapping[int, Look]) -> None:
        """looks: by rank; one that was added before is silent since then and counts no more."""
        new = {r: each for r, each in looks.items() if self._heard.get(r) != each}
        self._heard |= new
        for rank, look in new.items():
            self._take_in(named(look.process, f"rank_{rank}"))
            if look.node is not None:
                number = list(dict.fromkeys(self.nodes)).index(self.nodes[rank])
                where = (f"node_{number}",) if number else ()
                self._take_in(named(look.node, *where))
                for index, card in enumerate(look.cards or ()):
                    self._take_in(named(card.load(f"gpu_{index}"), *where))
        used = self._cards_of_ranks()
        for rank, card in used.items():
            if rank in new:
                self._take_in(named(card.load("gpu"), f"rank_{rank}"))
        self._spend(list(used.values()))

    def _cards_of_ranks(self) -> dict[int, Card]:
        """By the newest look of each node's first rank."""
        there = {
            (self.nodes[rank], card.uuid.removeprefix("GPU-")): card
            for rank, look in self._heard.items()
            for card in look.cards or ()
        }
        wanted = {rank: (self.nodes[rank], look.card) for rank, look in self._heard.items()}
        return {rank: there[key] for rank, key in wanted.items() if key in there}

    def _spend(self, used: Sequence[Card]) -> None:
        now = self.now()
        seconds, self._at, ranks = now - self._at, now, len(self.nodes)
        self._spent["worker_hours"] += ranks * seconds / 3600
        if self.gpu:
            self._spent["gpu_hours"] += ranks * seconds / 3600
        watts = sum(card.power_watts for card in used)
        if len(used) == ranks and watts == watts:  # where every card tells
            self._spent["energy_kwh"] += watts * seconds / JOULES_PER_KWH

    def _take_in(self, load: Mapping[str, float]) -> None:
        for name, value in load.items():
            self._values[name].append(value)

    def take(self) -> tuple[dict[str, float], dict[str, float]]:
        """(means, what was spent) since the last call."""
        means = {name: sum(each) / len(each) for name, each in self._values.items()}
        spent = dict(self._spent)
        self._values.clear()
        self._spent.clear()
        return means, spent
