"""One local Ray head for as long as a command needs it, started only when a training asks.

    python -m pipelines.cluster -- COMMAND...

The head gets free ports, a folder and a token of its own. A guard in its own session ends exactly
that head when its owner (this command, or the training that started it) ends or is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil

from data.ground.refusal import refusal
from pipelines.host.command import STARTED_BY
from pipelines.host.places import REPOSITORY
from pipelines.host.ports import free_ports, listens
from pipelines.host.processes import held, usable_cores

FOLDER = "LIMBER_RAY_FOLDER"  # where the owner keeps its place for a head
STARTED = "Ray runtime started"
START_S, END_S = 120.0, 20.0
REMOVED_S = 10.0  # for a folder into which some still write to be empty
OBJECT_STORE = 200_000_000  # bytes; images never travel through it
# `ray`, which ends as by a signal where the guard that started it is killed, with all of the head
RAY = (
    "from pipelines.host.signals import end_with_parent; end_with_parent(); "
    "from ray.scripts.scripts import main; main()"
)
# Ray turns 127.0.0.1 into an address that others reach, unless it is told that no others come: by
# the switch of systems that cannot have clusters.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}  # an end: nobody waits for its trainings


@contextmanager
def one_head() -> Iterator[None]:
    """All trainings started inside share one head, which the first of them starts."""
    if FOLDER in os.environ:
        yield
        return
    with _place() as folder:
        os.environ[FOLDER] = str(folder)
        try:
            yield
        finally:
            del os.environ[FOLDER]


@contextmanager
def ray_address(wanted: str | None) -> Iterator[str]:
    """Where Ray is: `wanted`, $RAY_ADDRESS, the head of `one_head`, or a head just for this.

    Sets what Ray reads from the environment, so it must come before `import ray`.
    """
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    if address := wanted or os.environ.get("RAY_ADDRESS"):
        yield address
        return
    with one_head():
        head = _find_head(Path(os.environ[FOLDER]))
        told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head["token"], **ALONE}
        before = {key: os.environ.get(key) for key in told}
        os.environ.update(told)
        try:
            yield head["address"]
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


@contextmanager
def _place() -> Iterator[Path]:
    """A folder for a head; letting go of its lock is what ends the head."""
    root = tempfile.gettempdir()
    # Ray puts sockets deep into it, and their paths may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="limber-", dir=root if len(root) < 30 else "/tmp"))
    try:
        with _lock(folder).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        _clear(folder)


def _clear(folder: Path) -> None:
    """The end of a place for a head, once that has ended; one whose guard was killed is ended."""
    end = time.monotonic() + END_S
    while (guardian := _guardian(folder)) and _is_alive(guardian) and time.monotonic() < end:
        time.sleep(0.05)
    if guardian:
        _kill_session(guardian)
    _remove(folder)


def _remove(folder: Path, patience_s: float = REMOVED_S) -> None:
    """Also where who dies still writes into it: what is made meanwhile goes as well."""
    end = time.monotonic() + patience_s
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > end:
            return
        time.sleep(0.05)


def _lock(folder: Path) -> Path:
    return folder / "owner.lock"


def _note(folder: Path) -> Path:
    return folder / "head.json"


def _find_head(folder: Path, start: Callable[[Path], None] | None = None) -> dict[str, Any]:
    """Its note; the first who asks starts it, by `start` or as it is, while others wait. One whose
    guard was killed is gone with it."""
    with held(folder / "start.lock", "starts the local Ray head"):  # trainings may run side by side
        guardian = _guardian(folder)
        if guardian and not _is_alive(guardian):
            _kill_session(guardian)
            _note(folder).unlink()
            _remove(folder / "ray")
        if not _note(folder).is_file():
            (start or _start)(folder)
        note: dict[str, Any] = json.loads(_note(folder).read_text())
    return note


def _guardian(folder: Path) -> int | None:
    """The process that guards a head there; None where none does."""
    try:
        return int(json.loads(_note(folder).read_text())["guard"])
    except FileNotFoundError:
        return None


def _is_alive(process: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    return False


def _start(folder: Path) -> None:
    """Starts a guard, which starts the head. Raises ValueError with Ray's words if it cannot."""
    print("starting a local Ray head", flush=True)
    with (folder / "head.log").open("w") as log:
        guardian = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cluster", "--guard", str(folder)],
            cwd=REPOSITORY,
            env={name: value for name, value in os.environ.items() if name not in STARTED_BY},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while not _note(folder).is_file():
        if guardian.poll() is not None or time.monotonic() > end:
            tail = (folder / "head.log").read_text()[-2000:]
            raise refusal("the local Ray head", fault=f"did not start; Ray says:\n{tail}")
        time.sleep(0.05)


def guard(folder: Path) -> int:
    """Starts a head, writes its note, and ends it when nobody holds the owner's lock any more."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    token = secrets.token_hex(32)
    with _lock(folder).open() as lock:
        head, address = _start_ray(folder, token, lock)
        try:
            if not address:
                return 1
            new = _note(folder).with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps({"address": address, "token": token, "guard": os.getpid()}))
            new.replace(_note(folder))
            while head.poll() is None and not _is_free(lock):
                time.sleep(0.25)
        finally:
            _end(head)
            _remove(folder / "ray")
            _note(folder).unlink(missing_ok=True)
            if _is_free(lock):  # an owner that was killed removes nothing
                _remove(folder)
    return 0


def _start_ray(folder: Path, token: str, lock: IO[str]) -> tuple[subprocess.Popen[bytes], str]:
    """(`ray start`'s process, address); the address is empty when three tries failed."""
    (folder / "tmp").mkdir(exist_ok=True)
    for attempt in range(3):
        port, dashboard, agent, metrics, client = free_ports(5)
        log = folder / f"start_{attempt}.log"
        with log.open("w") as file:
            head = subprocess.Popen(
                [sys.executable, "-c", RAY, "start", "--head", "--block",
                 "--node-ip-address=127.0.0.1", f"--port={port}", "--dashboard-host=127.0.0.1",
                 f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
                 f"--metrics-export-port={metrics}", f"--ray-client-server-port={client}",
                 f"--object-store-memory={OBJECT_STORE}", f"--num-cpus={usable_cores()}",
                 f"--temp-dir={folder / 'ray'}", "--disable-usage-stats"],
                env={**os.environ, **QUIET, **AT_ONCE,
                     **ALONE, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token,
                     "RAY_ADDRESS": f"127.0.0.1:{port}",  # helpers in workers look for it
                     "TMPDIR": str(folder / "tmp")},  # who is killed leaves something there
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        while head.poll() is None and not _is_free(lock):
            # Ray says so before its servers have their ports, and ends where one cannot have its
            if STARTED in log.read_text() and all(map(listens, (dashboard, client))):
                return head, f"127.0.0.1:{port}"
            time.sleep(0.05)
        print(log.read_text(), flush=True)
        if _is_free(lock):
            break
    return head, ""


def _is_free(lock: IO[str]) -> bool:
    """Whether the owner let go of its lock, or died."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end(head: subprocess.Popen[bytes]) -> None:
    """Ends this head and what it started: all of it lives in the guard's own session."""
    head.terminate()
    with suppress(subprocess.TimeoutExpired):
        head.wait(10)
    _kill_session(os.getsid(0))


def _kill_session(session: int) -> None:
    """All processes of it but this one, until they are gone, with those that they began."""
    end = time.monotonic() + END_S
    while members := [each for each in _session_members(session) if _is_alive(each)]:
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.02)


def _session_members(session: int) -> list[int]:
    """Its processes but this one (a head's children may have process groups of their own)."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and os.getsid(int(entry.name)) == session:
                members.append(int(entry.name))
    return members
