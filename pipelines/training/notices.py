"""Word of an end by a signal, for trainings that no cluster tells: SIGUSR1."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.training.rank import Notice

SIGNAL = signal.SIGUSR1  # what batch systems send some time before they end a job


@contextmanager
def notice_by_signal() -> Iterator[Notice]:
    """A notice that SIGUSR1 to this process gives: a checkpoint at once, training goes on.

    Batch systems send it to children too (loader processes), which would end by it: they inherit
    that it is blocked. So it waits until it is asked for; a thread of before takes it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Notice()
        return
    come = threading.Event()
    handler = signal.signal(SIGNAL, lambda *_: come.set())
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [SIGNAL])

    def heard() -> bool:
        waiting = signal.sigtimedwait([SIGNAL], 0) is not None
        earlier = come.is_set()
        come.clear()
        return waiting or earlier

    try:
        yield Notice(heard)
    finally:
        heard()  # one that came too late ends nobody
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(SIGNAL, handler)
