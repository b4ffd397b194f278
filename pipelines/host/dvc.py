"""DVC with its stages, as a process of its own that gets our signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

from pipelines.host import places
from pipelines.host.command import STARTED
from pipelines.host.dvc_state import mend_dvc
from pipelines.host.processes import END_S, run_told
from pipelines.host.signals import SHELLS, Interrupted, adopt_orphans

DVC_ALONE = "import sys; from dvc.cli import main; sys.exit(main(sys.argv[1:]))"
THEN = "THEN"  # between the words of two calls of DVC, the second where the first went well
# dvc, once or more often, but for its hint to track dvc.lock with git: the road says it at its end
_DVC = (
    "import logging, os, signal, sys; from pipelines.host.signals import end_with_parent; "
    f"end_with_parent(int(sys.argv.pop(1))); os.environ[{STARTED!r}] = str(os.getpid()); "
    "signal.signal(signal.SIGINT, signal.default_int_handler); "
    "logging.getLogger('dvc.repo.scm_context').setLevel('WARNING'); "
    "from itertools import groupby; from dvc.cli import main; "
    f"calls = groupby(sys.argv[1:], {THEN!r}.__eq__); "
    "sys.exit(next(filter(None, (main(list(call)) for then, call in calls if not then)), 0))"
)


def dvc_command(*arguments: str) -> list[str]:
    """A process of DVC that ends with this one; its stages end with it."""
    return [sys.executable, "-c", _DVC, str(os.getpid()), *arguments]


def run_dvc(*arguments: str) -> int:
    """Exit code of DVC with these arguments, in the repository."""
    return _run_dvc(arguments)[0]


def run_dvc_or_end(*arguments: str) -> int:
    """As `run_dvc`, for one of several calls: after a signal it raises Interrupted.

    Calls with `THEN` between them are of one process, up to the first that fails.
    """
    code, told = _run_dvc(arguments)
    if told:
        raise Interrupted(told)
    return code


def _run_dvc(arguments: Sequence[str]) -> tuple[int, int]:
    """As `run_told`; a stage that was just begun as DVC ended is told as well, and waited for."""
    mend_dvc(places.REPOSITORY)
    ours = set(psutil.Process().children())
    adopt_orphans()
    code, told = run_told(dvc_command(*arguments), places.REPOSITORY, _tell_dvc)
    if told:
        left = [each for each in psutil.Process().children() if each not in ours and _is_near(each)]
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(told)
        _, alive = psutil.wait_procs(left, END_S)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    return code, told


def _tell_dvc(dvc: subprocess.Popen[bytes], number: int) -> None:
    """DVC by SIGINT, which it takes between stages and not while it waits for one, whose answer
    counts; the stage by the signal itself: who ends DVC alone leaves it behind."""
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(dvc.pid).children()
        shells = [each for each in below if each.name() in SHELLS]
        for stage in [*below, *(each for shell in shells for each in shell.children())]:
            if stage not in shells:
                stage.send_signal(number)
    with suppress(ProcessLookupError):
        dvc.send_signal(signal.SIGINT)


def _is_near(process: psutil.Process) -> bool:
    """Whether it is of our session: a head's guard has one of its own, and ends by itself."""
    with suppress(ProcessLookupError):
        return os.getsid(process.pid) == os.getsid(0)
    return False


def ask_dvc(script: str, *arguments: str) -> str | None:
    """What a script that uses DVC's own modules prints, run in the repository; None, and its words
    on stderr, where it fails."""
    mend_dvc(places.REPOSITORY)
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(
        command, cwd=places.REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="", file=sys.stderr, flush=True)
        return None
    return done.stdout
