"""Word of an end by a signal: heard once, by this process alone, and nothing of it stays."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest

from pipelines.training.notices import notice_by_signal

pytestmark = pytest.mark.contract


def send() -> None:
    """To this thread: to the process, another thread may take it, a moment later."""
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)


def test_a_signal_is_heard_once() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with notice_by_signal() as notice:
        assert not notice.heard()
        send()
        assert notice.heard() and not notice.heard()
        send()
        assert notice.heard(), "a second word is another one"
        notice.kept()
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_signal_that_came_too_late_ends_nobody() -> None:
    with notice_by_signal():
        send()
    assert not signal.sigpending()


def test_a_signal_that_another_thread_took_is_heard() -> None:
    ready, end = threading.Event(), threading.Event()

    def open_to_it() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        ready.set()
        end.wait(60)

    with notice_by_signal() as notice:
        thread = threading.Thread(target=open_to_it)
        thread.start()
        assert ready.wait(60) and thread.ident
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        end.set()
        thread.join(60)
        assert notice.heard() and not notice.heard()


def test_children_outlive_the_signal() -> None:
    with notice_by_signal():
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.send_signal(signal.SIGUSR1)
    said, _ = child.communicate(b"here", timeout=60)
    assert (said, child.returncode) == (b"here", 0)


def test_another_thread_than_the_main_one_hears_nothing_and_sets_nothing() -> None:
    heard: list[bool] = []

    def ask() -> None:
        with notice_by_signal() as notice:
            heard.append(notice.heard())

    before = signal.getsignal(signal.SIGUSR1)
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(60)
    assert heard == [False] and signal.getsignal(signal.SIGUSR1) == before
