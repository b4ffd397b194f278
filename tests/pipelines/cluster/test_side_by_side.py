"""Trainings side by side: whose turn it is, what a failure and a signal do; processes played."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.cluster.side_by_side import Process, Row, Start, start_training, train_side_by_side
from pipelines.host.signals import Interrupted

LINE = "{}  epoch {}/4  step 3/5  90.1 samples/s  loss 0.0123  data wait 3%  ETA 1:05\n"


class Played:
    """A process that says a line at each look and ends with `code` at the last."""

    def __init__(self, log: Path, lines: Sequence[str], code: int | None) -> None:
        self._log, self._lines, self._code = log, list(lines), code
        self.told: list[int] = []
        log.write_text("")

    def poll(self) -> int | None:
        if self._lines:
            with self._log.open("a") as file:
                file.write(self._lines.pop(0))
            return None
        return self._code

    def send_signal(self, number: int) -> None:
        self.told.append(number)
        self._code = 128 + number

    def kill(self) -> None:
        self._code = -signal.SIGKILL


class World:
    """Starts played processes and keeps all tables that were shown."""

    def __init__(self, folder: Path, **plays: tuple[list[str], int | None]) -> None:
        self.folder, self.plays = folder, plays
        self.begun: dict[str, Played] = {}
        self.tables: list[dict[str, Row]] = []
        self.order: list[str] = []

    def start(self, name: str, log: Path) -> Process:
        self.order.append(name)
        self.begun[name] = Played(log, *self.plays[name])
        return self.begun[name]

    def train(self, parallel: int, start: Start | None = None, names: Sequence[str] = ()) -> dict:
        return train_side_by_side(
            list(names or self.plays),
            parallel,
            lambda rows: self.tables.append({row.name: row for row in rows}),
            start=start or self.start,
            log=lambda name: self.folder / "logs" / f"{name}.log",
            poll_s=0.0,
        )

    def states(self, name: str) -> list[str]:
        """The different states of a row, in their order."""
        all_of_it = [table[name].state for table in self.tables]
        return [s for n, s in enumerate(all_of_it) if n == 0 or all_of_it[n - 1] != s]


@pytest.mark.parametrize(("parallel", "most"), [(1, 1), (2, 2), (9, 3)])
def test_so_many_at_a_time_and_no_more(tmp_path: Path, parallel: int, most: int) -> None:
    says = [LINE.format("a", epoch) for epoch in (1, 2)]
    world = World(tmp_path, a=(says, 0), b=(says[:1], 0), c=(says, 0))
    assert world.train(parallel) == {}
    alive = [
        sum(row.state in ("starting", "running") for row in table.values())
        for table in world.tables
    ]
    assert max(alive) == most
    assert world.order == ["a", "b", "c"], "in the order in which they are named"
    assert {row.state for row in world.tables[-1].values()} == {"done"}


def test_a_name_given_twice_is_trained_once(tmp_path: Path) -> None:
    world = World(tmp_path, a=([], 0))
    assert world.train(2, names=["a", "a"]) == {}
    assert world.order == ["a"]


def test_rows_tell_how_far_each_is(tmp_path: Path) -> None:
    done = "a  epoch 1/4  loss 0.1  AP@gt 0.250  88.0 samples/s  data wait 2%\n"
    best = "a: best epoch 1, AP@gt 0.250 -> /somewhere/trained\n"
    room = "a: waits for room: asks for 2 CPUs, 1 free\n"
    world = World(tmp_path, a=([room, done, LINE.format("a", 2), best], 0), b=([], 0))
    world.train(1)
    assert world.states("a") == ["starting", "running", "done"]
    assert world.states("b") == ["waiting", "starting", "done"]
    rows = [table["a"] for table in world.tables]
    assert Row("a", "starting", note="waits for room: asks for 2 CPUs, 1 free") in rows
    assert Row("a", "running", "1/4", "AP@gt 0.250") in rows
    assert Row("a", "running", "2/4", "AP@gt 0.250", "1:05") in rows
    assert rows[-1] == Row("a", "done", "2/4", "AP@gt 0.250")


@pytest.mark.parametrize(
    ("said", "code", "why"),
    [
        ("noise\nerror: recipes/a.yaml: wrong\nnoise of Ray\n", 2, "recipes/a.yaml: wrong"),
        ("error: a: losses\n", 1, "losses"),
        ("Traceback\nKeyError: 3\n", 1, "exit code 1; KeyError: 3"),
        ("", 1, "exit code 1; it said nothing"),
        ("", -signal.SIGKILL, "ended by SIGKILL, as where memory runs out"),
        ("", -signal.SIGTERM, "ended by SIGTERM"),
    ],
)
def test_one_that_fails_says_why_and_stops_no_other(
    tmp_path: Path, said: str, code: int, why: str
) -> None:
    world = World(tmp_path, a=([said], code), b=([LINE.format("b", 1)] * 5, 0), c=([], 0))
    assert world.train(2) == {"a": why}
    last = world.tables[-1]
    assert (last["a"].state, last["a"].note) == ("failed", why)
    assert (last["b"].state, last["c"].state) == ("done", "done")


def test_one_that_cannot_be_started_stops_no_other(tmp_path: Path) -> None:
    world = World(tmp_path, a=([], 0), b=([], 0))

    def start(name: str, log: Path) -> Process:
        if name == "a":
            raise OSError("no more processes")
        return world.start(name, log)

    assert world.train(1, start) == {"a": "could not be started: no more processes"}
    assert world.tables[-1]["b"].state == "done"


def test_what_one_said_before_is_kept_and_not_read_again(tmp_path: Path) -> None:
    World(tmp_path, a=(["error: of before\n"], 2)).train(1)
    assert World(tmp_path, a=(["other\n"], 3)).train(1) == {"a": "exit code 3; other"}
    assert (tmp_path / "logs/a.log").read_text() == "other\n"
    assert (tmp_path / "logs/a.log.before").read_text() == "error: of before\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_all_that_run_and_begins_none(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    world = World(tmp_path, a=([], None), b=([], None), c=([], 0))
    told = []

    def start(name: str, log: Path) -> Process:
        process = world.start(name, log)
        if name == "b":
            os.kill(os.getpid(), number)
            told.append(name)  # the process is known before the signal is raised
        return process

    with pytest.raises(Interrupted) as interrupted:
        world.train(2, start)
    assert interrupted.value.args == (number,)
    assert told == ["b"]
    assert [played.told for played in world.begun.values()] == [[number], [number]]
    assert list(world.begun) == ["a", "b"]
    assert world.tables[-1]["c"].state == "waiting"
    assert signal.getsignal(number) is before


def test_what_does_not_end_by_a_signal_is_killed(tmp_path: Path) -> None:
    world = World(tmp_path, deaf=([], None))

    def start(name: str, log: Path) -> Process:
        played = Played(log, [], None)
        played.send_signal = played.told.append  # type: ignore[method-assign]
        world.begun[name] = played
        os.kill(os.getpid(), signal.SIGTERM)
        return played

    with pytest.raises(Interrupted):
        train_side_by_side(
            ["deaf"],
            1,
            lambda _: None,
            start=start,
            log=lambda n: tmp_path / n,
            poll_s=0.0,
            end_s=0.0,
        )
    assert world.begun["deaf"].told == [signal.SIGTERM]
    assert world.begun["deaf"].poll() == -signal.SIGKILL


@pytest.mark.contract
def test_a_process_is_the_command_train_alone_in_its_session(tmp_path: Path) -> None:
    process = start_training("no_such_recipe", tmp_path / "log")
    assert os.getsid(process.pid) == process.pid  # type: ignore[attr-defined]
    assert process.wait() == 2  # type: ignore[attr-defined]
    assert "error: " in (tmp_path / "log").read_text()
    assert "no_such_recipe" in (tmp_path / "log").read_text()
