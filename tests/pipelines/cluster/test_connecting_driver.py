"""Signals of a driver that is just connecting to its Ray."""

from __future__ import annotations

import logging
import os
import signal
import threading
from functools import partial

import pytest
import ray

from pipelines.cluster.ray_driver import connect as connect_to
from pipelines.cluster.ray_driver import heard_meanwhile
from pipelines.host.signals import Interrupted, catching_signals, hear_signal


def connect() -> None:
    heard_meanwhile(partial(connect_to, "127.0.0.1:1"))


def test_a_signal_is_heard_while_ray_holds_whoever_connects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the main thread it would be heard of when Ray is through."""
    through = threading.Event()

    def init(**_: object) -> None:
        assert threading.current_thread() is not threading.main_thread()
        os.kill(os.getpid(), signal.SIGTERM)
        through.wait(60)

    monkeypatch.setattr(ray, "init", init)
    with catching_signals():
        with pytest.raises(Interrupted) as ended:
            connect()
        hear_signal()
    assert ended.value.args == (signal.SIGTERM,)
    assert not through.is_set()
    through.set()


def test_what_ray_says_of_its_thread_is_told_to_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def init(**_: object) -> None:
        log = logging.getLogger("ray._private.worker")
        log.warning("SIGTERM handler is not set because current thread is not the main thread.")
        log.warning("something else")

    monkeypatch.setattr(ray, "init", init)
    connect()
    assert [record.message for record in caplog.records] == ["something else"]


def test_no_cluster_that_answers_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("nobody")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ValueError, match="no Ray cluster answers at 127"):
        connect()
