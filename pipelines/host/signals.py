"""Signals that end us: raised until they are heard of, and held back while something is written."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.5  # after which a signal that nobody heard of comes again
SHELLS = ("sh", "dash", "bash", "zsh", "fish", "ksh")  # by which DVC may run a stage
DVC_RUNS_AS = ("python", "pypy", "dvc")  # its programs' names: installed with pip, or by itself
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36  # of Linux' prctl


class Interrupted(BaseException):
    """A signal that ends us; its number is the argument."""


class _Signal:
    """The first signal that came; whether whoever ends us has heard of it."""

    number = 0
    heard = threading.Event()


def catch_signals() -> None:
    """A signal raises Interrupted, until somebody hears of it (`say_interrupted`): where a
    destructor or a library that catches everything swallows it, again. A hang-up that is ignored
    (`nohup`) stays ignored."""
    for number in SIGNALS:
        if not (number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN):
            signal.signal(number, _interrupt)


@contextmanager
def catching_signals() -> Iterator[None]:
    """As `catch_signals`, until the end: what caught them before does so again then. Signals are
    the main thread's: in another one this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    outermost = _interrupt not in before.values()
    if outermost:
        forget_signals()  # one that was heard of before says nothing of the next
    catch_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if outermost:
            forget_signals()


def hear_signal() -> None:
    """It ends us: nothing needs to be raised any more."""
    _Signal.heard.set()


def forget_signals() -> None:
    """None came: the next one is the first."""
    _Signal.heard.set()  # for who insists on the one that came
    _Signal.number, _Signal.heard = 0, threading.Event()


@contextmanager
def handled(handler: Callable[[int, object], None]) -> Iterator[None]:
    """The signals that end us go to that handler; as before afterwards."""
    numbers = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, each in before.items():
            signal.signal(number, each)


def _interrupt(number: int, _: object) -> None:
    if not _Signal.number:
        _Signal.number = number
        threading.Thread(
            target=_insist, args=(number, _Signal.heard), name="signal", daemon=True
        ).start()
    if _Whole.depth:
        _Whole.waiting = _Signal.number
    elif not (_Signal.heard.is_set() or _on_its_way()):
        raise Interrupted(_Signal.number)


def _on_its_way() -> bool:
    """Whether an Interrupted ends what the main thread does: it is within what cleans up."""
    return interruption(sys.exc_info()[1]) is not None


def interruption(error: BaseException | None) -> Interrupted | None:
    """The signal that an error comes of: what cleans up may raise another one instead, as torch
    does of a file that it was just writing."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error


def _insist(number: int, heard: threading.Event) -> None:
    """The signal again and again, until it is heard of."""
    main = threading.main_thread().ident
    assert main is not None
    while not heard.wait(AGAIN_S):
        signal.pthread_kill(main, number)


class _Whole:
    """How many `uninterrupted` are open, and the signal that came meanwhile."""

    depth = 0
    waiting = 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A signal that comes meanwhile is raised at the end: what is written inside is written whole.

    For the main thread, which signals interrupt.
    """
    _Whole.depth += 1
    try:
        yield
    finally:
        _Whole.depth -= 1
        if not _Whole.depth and _Whole.waiting:
            number, _Whole.waiting = _Whole.waiting, 0
            if not _on_its_way():
                raise Interrupted(number)


def say_interrupted(name: str, number: int) -> int:
    """The exit code: a stage that a signal ended must never look done to DVC."""
    hear_signal()
    end = f"{name}: ended by {signal.Signals(number).name}"
    print(f"{end}; the same command goes on from the last checkpoint", file=sys.stderr, flush=True)
    return 128 + number


def end_with_parent(parent: int) -> None:
    """From here on the kernel sends us SIGTERM when the process that started us ends; now, where it
    has ended before. parent: its id."""
    _prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def end_with_starter(told: int | None = None) -> None:
    """As `end_with_parent`, where a shell may stand between, which lives on for us: a thread waits
    for the end of who is behind it. told: its id, where it said so."""
    try:
        ends = os.pidfd_open(_starter(told))
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)
    except OSError:  # a kernel that knows no such files
        return
    else:
        threading.Thread(target=_end_with, args=(ends,), name="starter", daemon=True).start()


def _end_with(starter: int) -> None:
    select.select([starter], [], [])
    os.kill(os.getpid(), signal.SIGTERM)


def _starter(told: int | None) -> int:
    """The process above us of that id, else the next that is no shell.

    Raises ProcessLookupError where it has ended, and we belong to the machine's first process or to
    systemd. Where nobody told its id, those are themselves who started us (as a container's first
    process may be) only if they run DVC in our session, as DVC and its stages are of one.
    """
    above = dict(_above())
    if told is not None and told in above:
        return told
    nearest = next((each for each, name in above.items() if name not in SHELLS), 0)
    adopts = nearest == 1 or above.get(nearest) == "systemd"
    if not nearest or (adopts and (told or not _may_be_dvc(nearest))):
        raise ProcessLookupError(nearest)
    return nearest


def _may_be_dvc(process: int) -> bool:
    """Whether it is of our session and runs Python, or may for all that we may see."""
    try:
        program = Path(f"/proc/{process}/exe").readlink().name
    except OSError:  # another user's
        program = DVC_RUNS_AS[0]
    return program.startswith(DVC_RUNS_AS) and os.getsid(process) == os.getsid(0)


def _above() -> Iterator[tuple[int, str]]:
    """(id, name) of the processes above us, up to one that this user may not see."""
    process = os.getppid()
    while process:
        try:
            name, rest = _stat(process)
        except ProcessLookupError:
            return
        yield process, name
        process = int(rest.split()[1])


def _stat(process: int) -> tuple[str, str]:
    """(name, what the kernel says else: state, parent, ...); Raises ProcessLookupError."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(process) from error
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest


def adopt_orphans() -> None:
    """From here on a process below us whose parent ends is our child."""
    _prctl(SET_CHILD_SUBREAPER, 1)


def _prctl(what: int, value: int) -> None:
    ctypes.CDLL(None).prctl(what, value, 0, 0, 0)
