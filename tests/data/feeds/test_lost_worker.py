"""How it shows that a loader process is gone: in torch's words, or by a pipe that breaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from data.feeds.loader import LostWorkerError, losses_told

GONE = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
EXITED = RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
INSIDE = RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback")


@pytest.fixture
def ended() -> Iterator[int]:
    """A sentinel of a process that is gone."""
    reading, writing = os.pipe()
    os.close(writing)
    yield reading
    os.close(reading)


def loader(sentinel: int, alive: bool) -> Any:
    worker = SimpleNamespace(sentinel=sentinel, is_alive=lambda: alive)
    return SimpleNamespace(_iterator=SimpleNamespace(_workers=[worker]))


@pytest.mark.parametrize("error", [GONE, EXITED, ConnectionResetError(104, "reset"), EOFError(),
                                   FileNotFoundError("torch_7"), INSIDE])  # fmt: skip
def test_with_a_process_that_is_gone_it_is_that(error: Exception, ended: int) -> None:
    with pytest.raises(LostWorkerError) as told, losses_told(loader(ended, alive=False)):
        raise error
    assert told.value.__cause__ is error and str(told.value)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), INSIDE, OSError("disk")])
def test_while_all_live_it_is_what_it_is(error: Exception, ended: int) -> None:
    with pytest.raises(type(error)) as told, losses_told(loader(ended, alive=True)):
        raise error
    assert told.value is error
    with pytest.raises(type(error)) as told, losses_told([]):
        raise error
    assert told.value is error
