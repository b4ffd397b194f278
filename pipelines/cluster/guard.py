"""The guard of a local Ray head: a process in a session of its own that starts it, and ends exactly
that head when its owner ends or is killed, in the middle of the start as well.

Owner and guard meet in a folder: whoever holds its lock owns the head, whose note lies there.
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
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from pipelines.host.ports import free_ports, listens
from pipelines.host.processes import usable_cores
from pipelines.host.sessions import kill_session

STARTED = "Ray runtime started"
REMOVED_S = 10.0  # for a folder into which some still write to be empty
OBJECT_STORE = 200_000_000  # bytes; images never travel through it
# `ray`, which ends as by a signal where the guard that started it is killed, with all of the head
RAY = (
    "import sys; from pipelines.host.signals import end_with_parent; "
    "end_with_parent(int(sys.argv.pop(1))); "
    "from ray.scripts.scripts import main; main()"
)
# Ray turns 127.0.0.1 into an address that others reach, unless it is told that no others come: by
# the switch of systems that cannot have clusters.
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# by which workers send each other gradients; their own choice is heard
INTERFACE = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
# A machine with much else to do: Ray goes on without a dashboard, which takes jobs, after a minute.
PATIENT = {"RAY_DASHBOARD_STARTUP_TIMEOUT_S": "120"}
AT_ONCE = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}  # an end: nobody waits for its trainings


def guard(folder: Path) -> int:
    """Starts a head, writes its note, and ends it when nobody holds the owner's lock any more."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    token, head = secrets.token_hex(32), None
    with lock_of(folder).open() as lock:
        try:
            head, address = start_ray(folder, token, lock, partial(kill_session, os.getsid(0)))
            if not address:
                return 1
            _write_note(folder, {"address": address, "token": token})
            while head.poll() is None and not _is_free(lock):
                time.sleep(0.25)
        finally:
            _end(head)
            remove(folder / "ray")
            forget(folder)
            if _is_free(lock):  # an owner that was killed removes nothing
                remove(folder)
    return 0


def _write_note(folder: Path, note: dict[str, str]) -> None:
    new = note_of(folder).with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(note))
    new.replace(note_of(folder))


def start_ray(
    folder: Path, token: str, lock: IO[str], clear: Callable[[], object]
) -> tuple[subprocess.Popen[bytes], str]:
    """(`ray start`'s process, address); the address is empty when three tries failed. `clear` ends
    what a try that failed may have left."""
    (folder / "tmp").mkdir(exist_ok=True)
    for attempt in range(3):
        port, dashboard, agent, metrics, client = free_ports(5)
        log = folder / f"start_{attempt}.log"
        with log.open("w") as file:
            head = subprocess.Popen(
                [sys.executable, "-c", RAY, str(os.getpid()), "start", "--head", "--block",
                 "--node-ip-address=127.0.0.1", f"--port={port}", "--dashboard-host=127.0.0.1",
                 "--include-dashboard=true",  # or Ray goes on without
                 f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
                 f"--metrics-export-port={metrics}", f"--ray-client-server-port={client}",
                 f"--object-store-memory={OBJECT_STORE}", f"--num-cpus={usable_cores()}",
                 f"--temp-dir={folder / 'ray'}", "--disable-usage-stats"],
                env={**INTERFACE, **os.environ, **QUIET, **PATIENT, **AT_ONCE,
                     **ALONE, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token,
                     "RAY_ADDRESS": f"127.0.0.1:{port}",  # helpers in workers look for it
                     "TMPDIR": str(folder / "tmp")},  # who is killed leaves something there
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        while head.poll() is None and not _is_free(lock):
            # Ray says so before its servers have their ports, and ends where one cannot have its
            if STARTED in text_of(log) and all(map(listens, (dashboard, client))):
                return head, f"127.0.0.1:{port}"
            time.sleep(0.05)
        clear()
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


def _end(head: subprocess.Popen[bytes] | None) -> None:
    """Ends what the guard started, all of which lives in its own session; a head that came up may
    end its processes by itself before."""
    if head:
        head.terminate()
        with suppress(subprocess.TimeoutExpired):
            head.wait(10)
    kill_session(os.getsid(0))


def lock_of(folder: Path) -> Path:
    return folder / "owner.lock"


def note_of(folder: Path) -> Path:
    return folder / "head.json"


def guard_id_of(folder: Path) -> Path:
    return folder / "guard.pid"


def forget(folder: Path) -> None:
    """There is neither head nor guard any more."""
    for note in (note_of(folder), guard_id_of(folder)):
        note.unlink(missing_ok=True)


def remove(folder: Path, patience_s: float = REMOVED_S) -> None:
    """Also where who dies still writes into it: what is made meanwhile goes as well."""
    end = time.monotonic() + patience_s
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > end:
            return
        time.sleep(0.05)


def text_of(log: Path) -> str:
    """What stands in it; nothing of one that an owner removed at its end."""
    try:
        return log.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""
