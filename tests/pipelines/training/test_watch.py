"""A rank that stops moving: found, told apart from one that waits, ended with all stacks."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.training.rank import Rank
from pipelines.training.stacks import thread_place
from pipelines.training.watch import (
    EXIT_STALLED,
    FIRST,
    LONGEST,
    Pulse,
    Watch,
    failure_note,
    who_is_behind,
)
from tests.worlds import stalled

PATIENCE_S = 120


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.unit
def test_what_is_new_may_take_longer_and_what_took_long_may_again() -> None:
    hand = Hand()
    pulse = Pulse(60.0, hand)
    assert pulse.limit_s() == FIRST * 60
    limits = []
    for took in (500.0, 500.0, 1.0, 20.0, 1.0):  # the first two compile, and are no measure
        pulse.beat("trains on samples")
        limits.append(pulse.limit_s())
        hand.time += took
    assert limits == [FIRST * 60, FIRST * 60, 60.0, 60.0, LONGEST * 20]
    pulse.beat("scores")
    assert pulse.limit_s() == FIRST * 60
    hand.time += 30
    assert pulse.left_s() == FIRST * 60 - 30
    pulse.forgive(25)
    assert pulse.left_s() == FIRST * 60 - 5


def told(number: int, waits: bool) -> Mapping[str, object]:
    return {
        "number": number,
        "waits": waits,
        "process": "7 on a",
        "doing": "trains",
        "place": "x.py:1 f",
    }


@pytest.mark.unit
@pytest.mark.parametrize(
    ("said", "before", "expected"),
    [
        ({0: told(5, True), 1: told(4, False)}, {}, "rank 1 is behind (process 7 on a): trains"),
        ({0: told(5, True), 1: told(5, False)}, {}, "rank 1 is behind"),
        ({0: told(5, True)}, {1: told(5, True)}, "rank 1 says nothing more (process 7 on a)"),
        ({0: told(5, True)}, {}, "rank 1 says nothing more"),
        ({0: told(5, True), 1: told(5, True)}, {}, "all ranks wait for one another"),
    ],
)
def test_who_is_behind(
    said: Mapping[int, Mapping[str, object]],
    before: Mapping[int, Mapping[str, object]],
    expected: str,
) -> None:
    assert who_is_behind(2, said, before).startswith(expected)


@pytest.mark.unit
def test_a_place_names_our_code_and_who_waits_for_others() -> None:
    place, waits = thread_place(threading.get_ident())
    assert re.fullmatch(r"pipelines/training/stacks\.py:\d+ _frames", place)
    assert not waits
    with ThreadPoolExecutor(1) as pool:  # its thread waits for work, as loops of libraries do
        idle = pool.submit(threading.get_ident).result()
        place, waits = thread_place(idle)
    assert re.match(r"\S*concurrent/futures/thread.py:\d+ _worker", place)
    assert not waits


@pytest.mark.unit
def test_a_second_stall_at_the_same_place_ends_the_attempt(tmp_path: Path) -> None:
    """Another place does not."""
    watch = Watch(Rank(), tmp_path, "one", 60.0, 1.0)
    for doing in ("trains on step 3", "trains on step 4"):
        watch._remember(doing)
        assert not failure_note(tmp_path, "one").exists()
    watch._remember("trains on step 4")
    text = failure_note(tmp_path, "one").read_text()
    assert "a second time at the same place (trains on step 4)" in text
    assert "cluster.stall_minutes" in text
    watch._file.close()


def end(ranks: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """(exit code, stderr) of each, in the order of ranks."""
    return [(rank.wait(PATIENCE_S), rank.stderr.read()) for rank in ranks]  # type: ignore[union-attr]


def stacks(folder: Path, rank: int) -> str:
    (path,) = folder.glob(f"stacks-*-rank{rank}.txt")
    return path.read_text()


@pytest.mark.full
@pytest.mark.contract
def test_a_rank_whose_loader_sleeps_ends_all_with_all_stacks(tmp_path: Path) -> None:
    (code, waits), (other, sleeps) = end(stalled.start(tmp_path, "sleeps", 2))
    assert code == other == EXIT_STALLED
    assert "all_reduce" in stacks(tmp_path, 0)
    assert "in stop\n" in stacks(tmp_path, 1)
    assert "in lie_down\n" in sleeps  # the loader process's own
    expected = "rank 1 is behind"
    assert expected in waits + sleeps
    assert "waits for samples of epoch 1, step 1" in waits + sleeps


@pytest.mark.contract
def test_a_stopped_rank_is_named_by_the_other(tmp_path: Path) -> None:
    ranks = stalled.start(tmp_path, "stopped", 2)
    code, said = end(ranks[:1])[0]
    assert ranks[1].poll() is None
    ranks[1].send_signal(signal.SIGKILL)
    ranks[1].wait()
    assert code == EXIT_STALLED
    assert "rank 1 says nothing more" in said
    assert "all_reduce" in stacks(tmp_path, 0)


@pytest.mark.contract
@pytest.mark.full
@pytest.mark.parametrize(
    ("how", "code", "words"), [("holds", 1, "in stop\n"), ("debugs", 0, "moved")]
)
def test_python_held_in_c_ends_and_a_breakpoint_does_not(
    how: str, code: int, words: str, tmp_path: Path
) -> None:
    (found,) = end(stalled.start(tmp_path, how, 1))
    assert found[0] == code
    assert words in found[1]
    assert not list(tmp_path.glob("stacks-*")) or code
