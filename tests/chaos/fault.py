"""A row of the table of faults: what happens, what must hold, and a function that tries it once.

A trial gets a seeded `random.Random` and an empty folder, does the damage and answers "recovered"
(all went on, and what came out is right) or "refused" (a clear error, and nothing was lost).
Anything that it raises counts as lost, an AssertionError as well as what the product let through.
What it leaves behind counts as lost too: a folder in the temporary directory, a process.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from tests.worlds.started import GONE_SECONDS, command_of, started_by, still_there

Outcome = Literal["recovered", "refused"]
Trial = Callable[[random.Random, Path], Outcome]
TOKEN = "LIMBER_CHAOS_TRIAL"  # in the environment of all that a trial starts, its name as value
SHARED = "LIMBER_CHAOS_SHARED"
MOMENTS = "moments.txt"  # in the shared folder: a line each


@dataclass(frozen=True)
class Fault:
    """name: short, of letters, digits and hyphens; happens, holds: sentences of the table; trials:
    in the whole run; draw: in the short one, of `drawn` where a whole trial takes minutes; mounts:
    whether a trial mounts something, which few users but root may."""

    name: str
    happens: str
    holds: str
    trial: Trial
    trials: int
    draw: int = 1
    drawn: Trial | None = None
    mounts: bool = False

    def short(self) -> Fault:
        """As the short draw tries it."""
        return replace(self, trial=self.drawn or self.trial)

    def left_out(self) -> str:
        """Why it cannot be tried here; "" where it can."""
        if self.mounts and not may_mount():
            return f"{self.name}: left out, this user may not mount"
        return ""


@cache
def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "none", folder], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", folder], check=True)
    return True


@dataclass
class Tally:
    """lost: what went wrong, by number of the case; moments: how often who was struck, where a
    trial strikes more than once."""

    recovered: int = 0
    refused: int = 0
    lost: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    moments: dict[str, int] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return self.recovered + self.refused + len(self.lost)

    def __add__(self, other: Tally) -> Tally:
        """Of two parts of a row; seconds, as if one after another."""
        return Tally(
            self.recovered + other.recovered,
            self.refused + other.refused,
            self.lost | other.lost,
            self.seconds + other.seconds,
            dict(Counter(self.moments) + Counter(other.moments)),
        )


def shared_folder(name: str, fill: Callable[[Path], None]) -> Path:
    """A folder that `fill` makes for the first trial that asks; others copy what they damage."""
    folder = Path(os.environ[SHARED]) / name
    if not folder.is_dir():
        made = folder.with_name(f"{name}.part-{os.getpid()}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        fill(made)
        made.rename(folder)
    return folder


def struck(who: str, times: int = 1) -> None:
    """To be told by a trial that strikes at several moments, or not always the same."""
    with (Path(os.environ[SHARED]) / MOMENTS).open("a") as file:
        file.write(f"{who}\n" * times)


def try_fault(fault: Fault, cases: range, seed: int, folder: Path) -> Tally:
    """The cases of those numbers, each in a folder of its own below `folder`. The same seed and
    number always try the same."""
    tally, began = Tally(), time.monotonic()
    shared = folder / "shared"
    shared.mkdir(parents=True)
    with in_environment({SHARED: str(shared)}):
        for case in cases:
            draw = random.Random(f"{seed}/{fault.name}/{case}")
            try:
                outcome = try_once(fault, draw, folder / f"case-{case}")
            except Exception:  # noqa: BLE001 - whatever it is, it is what this counts
                tally.lost[case] = traceback.format_exc()
            else:
                setattr(tally, outcome, getattr(tally, outcome) + 1)
    tally.seconds = time.monotonic() - began
    if (told := shared / MOMENTS).is_file():
        tally.moments = dict(Counter(told.read_text().splitlines()))
    return tally


def try_once(fault: Fault, draw: random.Random, folder: Path) -> Outcome:
    """One trial: a home and a temporary directory of its own, nothing left of either.

    Raises:
        AssertionError: a folder in the temporary directory or a process is left behind.
    """
    token = f"{fault.name}-{os.getpid()}-{folder.name}"
    temporary = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # sockets' paths are short
    (folder / "trial").mkdir(parents=True)
    variables = {TOKEN: token, "TMPDIR": str(temporary), "LIMBER_HOME": str(folder / "home")}
    try:
        with in_environment(variables):
            outcome = fault.trial(draw, folder / "trial")
        assert outcome in ("recovered", "refused"), f"a trial answered {outcome!r}"
        left = still_there(TOKEN, token, GONE_SECONDS)
        assert not left, f"processes left behind: {[command_of(each) for each in left]}"
        below = sorted(path.relative_to(temporary).as_posix() for path in temporary.rglob("*"))
        assert not below, f"left in the temporary directory: {below[:40]}"
        return outcome
    finally:
        for pid in processes_of(token):
            os.kill(pid, 9)
        for made in (folder, temporary):
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def in_environment(variables: dict[str, str]) -> Iterator[None]:
    """With those variables, in all that is started and in `tempfile`; all as before at the end."""
    before, directory = dict(os.environ), tempfile.tempdir
    os.environ.update(variables)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = directory


def processes_of(token: str) -> list[int]:
    """Live processes that the trial of that token started."""
    return started_by(TOKEN, token)
