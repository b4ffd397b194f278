"""A rank that stops moving is found: all ranks write down where they are, and end at once.

In: the beats of a rank (`Rank.beat`), one before each thing that it does. Out: nothing while it
moves. Where no beat comes for longer than is due, every rank's stacks stand in
`stacks-ATTEMPT-rankN.txt` of its run folder and in the log, with who is behind, and the processes
end with code 75: whoever started them (Ray, torchrun, you) goes on from the last checkpoint.

Due: `stall_s`; 4 times of it for the first two of a kind (a first step compiles, a first scoring
has no like); and never less than 5 times the longest of that kind so far. A rank that holds Python
in C cannot look: a timer of faulthandler writes its stacks and ends it, with code 1. One that is
stopped (SIGSTOP, a node that froze) writes nothing; the others tell that it is silent, and end.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal
from pipelines.training.board import Board
from pipelines.training.rank import Rank
from pipelines.training.stacks import dump_children, dump_stacks, is_debugged, thread_place

EXIT_STALLED = 75
FIRST, NEW, LONGEST = 4.0, 2, 5.0  # see above
LOOK_S = 5.0  # between two looks, at most
SAY_S = 10.0  # for the others to write down where they are
STDERR = 2
VARIABLE = "PYTHONFAULTHANDLER"  # loader processes that begin with it can write their stacks


class Beat(NamedTuple):
    number: int
    doing: str
    at: float  # time.monotonic()

    @property
    def kind(self) -> str:
        return self.doing.partition(" ")[0]


class Pulse:
    """The beats of one rank, and how long it may be silent."""

    def __init__(self, stall_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._stall_s, self._now = stall_s, now
        self._seen: Counter[str] = Counter()
        self._longest: dict[str, float] = {}
        self.last = Beat(0, "begins", now())

    def beat(self, doing: str) -> None:
        before, now = self.last, self._now()
        self._seen[before.kind] += 1
        if self._seen[before.kind] > NEW:
            took = max(now - before.at, self._longest.get(before.kind, 0.0))
            self._longest[before.kind] = took
        self.last = Beat(before.number + 1, doing, now)

    def limit_s(self) -> float:
        """Of what it does now."""
        kind = self.last.kind
        due = self._stall_s * (FIRST if self._seen[kind] < NEW else 1.0)
        return max(due, LONGEST * self._longest.get(kind, 0.0))

    def left_s(self) -> float:
        return self.last.at + self.limit_s() - self._now()

    def forgive(self, seconds: float) -> None:
        """Of time in which nothing could move: the process was stopped, or a debugger held it."""
        self.last = self.last._replace(at=self.last.at + seconds)


@contextmanager
def watched(
    rank: Rank, run_folder: Path, attempt: str, stall_s: float, say_s: float = SAY_S
) -> Iterator[Rank]:
    """The rank with somebody who listens to its beats, for as long as it trains.

    say_s: how long the others may take to write down where they are.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    watch = Watch(rank, run_folder, attempt, stall_s, say_s)
    watch.start()
    try:
        yield replace(rank, beat=watch.pulse.beat)
    finally:
        watch.close()
        os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})


class Watch:
    """Looks every few seconds, from a thread of its own, whether its rank still moves."""

    def __init__(
        self, rank: Rank, folder: Path, attempt: str, stall_s: float, say_s: float
    ) -> None:
        self.pulse = Pulse(stall_s)
        self._rank, self._folder, self._attempt, self._say_s = rank, folder, attempt, say_s
        self._trains = threading.get_ident()
        self._look_s = min(LOOK_S, stall_s / 10)
        self._board = Board(rank, f"watch-{attempt}")
        self._path = folder / f"stacks-{attempt[:8] or os.getpid()}-rank{rank.rank}.txt"
        self._file = self._path.open("a")
        self._closed = threading.Event()
        names = {self._look: "watch", self._tell: "watch-tells"}
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True) for work, name in names.items()
        ]
        self._alarm = threading.Event()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closed.set()
        self._threads[0].join()
        faulthandler.cancel_dump_traceback_later()
        self._file.close()
        if not self._path.stat().st_size:
            self._path.unlink()

    def _look(self) -> None:
        looked = time.monotonic()
        while not self._closed.is_set():
            now = time.monotonic()
            if now - looked > 4 * self._look_s + 1:  # we were stopped as well
                self.pulse.forgive(now - looked)
            looked = now
            if is_debugged(self._trains):
                self.pulse.forgive(self.pulse.limit_s() - self.pulse.left_s())
            left = self.pulse.left_s()
            if left <= 0 or self._alarm.is_set():
                faulthandler.cancel_dump_traceback_later()
                try:
                    self._stop_all()
                finally:  # also where a full disk takes no stacks: nobody else would end us
                    os._exit(EXIT_STALLED)
            backstop = left + 2 * self._look_s + 1
            file = self._file if self._rank.world_size > 1 else STDERR
            faulthandler.dump_traceback_later(backstop, exit=True, file=file)
            self._closed.wait(min(self._look_s, max(left, 0.01)))

    def _tell(self) -> None:
        """Others hear where this rank is; it hears of one that found that nothing moves."""
        while not self._closed.wait(self._look_s):
            self._say_place()
            if self._board.heard("alarm", self._say_s):
                self._alarm.set()

    def _say_place(self, subject: str = "place") -> dict[str, Any]:
        place, waits = thread_place(self._trains)
        last = self.pulse.last
        told = {"number": last.number, "doing": last.doing, "place": place, "waits": waits}
        told["process"] = f"{os.getpid()} on {socket.gethostname()}"
        self._board.say(subject, told)
        return told

    def _stop_all(self) -> None:
        """Stacks of this rank, and of all others that still can; then the end."""
        last, me = self.pulse.last, f"rank {self._rank.rank}"
        silent_s = time.monotonic() - last.at
        first = not self._alarm.is_set()
        heading = f"{me} {last.doing}, for {silent_s:.0f} s: {thread_place(self._trains)[0]}"
        dump_stacks(self._file, heading)
        mine = {self._rank.rank: self._say_place("stopped")}
        self._board.say("alarm", True)
        print(f"stopped: {heading}\n{self._path.read_text()}", file=sys.stderr, flush=True)
        dump_children(me)
        told = mine | self._wait_for_others()
        if first:
            silent = self._board.heard("place", 2.0)
            words = who_is_behind(self._rank.world_size, told, silent)
            print(f"nothing moves for {silent_s:.0f} s; {words}", file=sys.stderr, flush=True)
        self._remember(last.doing)

    def _wait_for_others(self) -> dict[int, Any]:
        end = time.monotonic() + self._say_s
        while True:
            told = self._board.heard("stopped", 2.0)
            if len(told) == self._rank.world_size or time.monotonic() > end:
                return told
            time.sleep(0.1)

    def _remember(self, doing: str) -> None:
        """A second time at the same step ends the attempt: no restart mends that."""
        note = self._folder / f"stalled-{self._attempt}-{self._rank.rank}"
        if not self._attempt:
            return
        if note.is_file() and note.read_text() == doing:
            reason = refusal(
                f"rank {self._rank.rank}",
                fault=f"stops moving a second time at the same place ({doing})",
                do=f"see its stacks in {self._path}; where it only is slow, raise "
                "cluster.stall_minutes in params.yaml",
            )
            write_text_whole(failure_note(self._folder, self._attempt), str(reason))
        write_text_whole(note, doing)


def failure_note(run_folder: Path, attempt: str) -> Path:
    """Where a rank leaves why no restart of that attempt can mend it."""
    return run_folder / f"failed-{attempt}"


def who_is_behind(
    world_size: int, told: Mapping[int, Mapping[str, Any]], before: Mapping[int, Mapping[str, Any]]
) -> str:
    """told: of the ranks that wrote down where they stopped; before: what each said last."""
    silent = [rank for rank in range(world_size) if rank not in told]
    if silent:
        return "; ".join(_words(rank, before.get(rank), "says nothing more") for rank in silent)
    least = min(each["number"] for each in told.values())
    behind = [rank for rank, each in told.items() if each["number"] == least]
    busy = [rank for rank in behind if not told[rank]["waits"]]
    if world_size > 1 and len(behind) == world_size and not busy:
        return "all ranks wait for one another"
    return "; ".join(_words(rank, told[rank], "is behind") for rank in busy or behind)


def _words(rank: int, told: Mapping[str, Any] | None, how: str) -> str:
    if told is None:
        return f"rank {rank} {how}"
    return f"rank {rank} {how} (process {told['process']}): {told['doing']}, {told['place']}"
