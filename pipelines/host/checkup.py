"""A machine looked at: each room of pipelines/ tells what it finds, in a process of its own.

A room's `health.py` holds `CHECKS`; `tell` runs them in a child, side by side, a line of json each;
`examine` runs the children at once and ends those that do not answer. So a package that cannot be
imported, or that takes its process with it, costs its room's lines and no others. Imports nothing
but Python's own library.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass

from data.ground.refusal import masked

OK, WARNING, WRONG = "ok", "warning", "wrong"
ANSWER_S = 15.0  # for one check, once its room is imported
ROOM_S = 40.0  # for a room, imports on a busy machine among it
MEND = (  # of packages: ours lie in an environment of their own
    "python -m pip install -r requirements.lock"
    if sys.prefix != sys.base_prefix
    else "make setup && source .venv/bin/activate"
)
LONGEST = 400  # letters of what a line says
SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL", re.IGNORECASE)
SHORTEST_SECRET = 6  # letters: a shorter value would blot out words


@dataclass(frozen=True)
class Finding:
    """A line of the page. do: what mends it, a command as typed where there is one."""

    what: str
    state: str
    said: str
    do: str = ""


Look = Callable[[], Finding | list[Finding]]


@dataclass(frozen=True)
class Check:
    """look: raises ValueError, or anything else, for what is wrong; `a; b` says b to be done."""

    what: str
    look: Look


def tell(checks: Sequence[Check], limit_s: float = ANSWER_S) -> None:
    """Prints what the checks find, one line of json each, in their order; then the process ends,
    whatever some of them still wait for."""
    told: dict[int, list[Finding]] = {}
    threads = [
        threading.Thread(target=lambda n=number, c=check: told.update({n: found(c)}), daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit_s
    for number, (check, thread) in enumerate(zip(checks, threads, strict=True)):
        thread.join(max(end - time.monotonic(), 0))
        fault = Finding(check.what, WRONG, f"no answer within {limit_s:g} s")
        for finding in told.get(number, [fault]):
            print(json.dumps(asdict(finding)), flush=True)
    os._exit(0)


def found(check: Check) -> list[Finding]:
    """What a check finds; an error is one line, without what is secret."""
    try:
        findings = check.look()
    except BaseException as error:  # noqa: BLE001 - whatever a library raises is a line
        fault, _, do = (str(error) or type(error).__name__).partition("; ")
        findings = Finding(check.what, WRONG, fault, do)
    listed = findings if isinstance(findings, list) else [findings]
    return [Finding(f.what, f.state, plain(f.said), plain(f.do)) for f in listed]


def plain(text: str) -> str:
    """One line, cut, without passwords of addresses and values of secret variables."""
    text = masked(" ".join(text.split()))
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SHORTEST_SECRET and "/" not in value[:1]:
            text = text.replace(value, "***")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def examine(
    rooms: Mapping[str, Sequence[str]], limit_s: float = ROOM_S
) -> Iterable[tuple[str, list[Finding]]]:
    """(room, its findings) in the order given. rooms: name -> command whose output is `tell`'s.

    All run at once; none outlives `limit_s`, nor what it started.
    """
    with ThreadPoolExecutor(len(rooms) or 1) as pool:
        waiting = {room: pool.submit(ask, room, rooms[room], limit_s) for room in rooms}
        for room, answer in waiting.items():
            yield room, answer.result()


def ask(room: str, command: Sequence[str], limit_s: float) -> list[Finding]:
    """What one room's process tells; where it fails or is late, a line more says so."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **quiet, text=True, start_new_session=True) as child:  # type: ignore[call-overload]
        late = False
        try:
            said, errors = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            with suppress(ProcessLookupError):  # what it started goes with it
                os.killpg(child.pid, signal.SIGKILL)
        if late:
            said, errors = child.communicate()
    findings = list(_read(said))
    if late:
        fault = f"no answer within {limit_s:g} s"
        findings.append(Finding(room, WRONG, f"{fault}: {_last(errors)}" if errors else fault))
    elif child.returncode:
        how = f"signal {-child.returncode}" if child.returncode < 0 else "an error"
        fault = f"cannot be looked at (ended by {how}: {_last(errors)})"
        findings.append(Finding(room, WRONG, fault, MEND))
    return findings


def _read(said: str) -> Iterable[Finding]:
    """Lines of other make, which a library printed, are left out."""
    for line in said.splitlines():
        with suppress(ValueError, TypeError):
            yield Finding(**json.loads(line))


def _last(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    return plain(lines[-1]) if lines else "without a word"
