"""Signals of a driver that is just connecting to its Ray."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import ray

from pipelines.cluster.ray_train import _connect
from pipelines.host.signals import Interrupted, catching_signals, hear_signal


def test_a_signal_that_ray_took_for_itself_still_ends_us_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`ray.init` has SIGTERM end the process with code 15 and no word, until it returns."""

    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ray, "init", init)
    with catching_signals():
        with pytest.raises(Interrupted) as ended:
            _connect("127.0.0.1:1")
        assert ended.value.args == (signal.SIGTERM,)
        with pytest.raises(Interrupted):  # ours are caught again
            os.kill(os.getpid(), signal.SIGTERM)
        hear_signal()


def test_signals_are_ours_again_where_no_cluster_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ConnectionError("nobody")

    monkeypatch.setattr(ray, "init", init)
    with catching_signals():
        with pytest.raises(ValueError, match="no Ray cluster answers at 127"):
            _connect("127.0.0.1:1")
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
