"""The guard of a local head, with stand-ins for Ray. Heads that start: tests/road."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from pipelines.cluster import guard
from pipelines.cluster.guard import _write_note, lock_of, note_of, remove, start_ray
from pipelines.host.sessions import is_alive, session_members
from tests.worlds.waiting import wait_for

TAKEN = """
import socket, sys, time, pathlib
print("Ray runtime started.", flush=True)
told = [word.split("=")[1] for word in sys.argv if word.startswith(("--dashboard-p", "--ray-cl"))]
met, held = pathlib.Path("{met}"), []
for port in told if met.exists() else told[:1]:
    held.append(socket.create_server(("127.0.0.1", int(port))))
if not met.exists():
    time.sleep(0.3)
    met.touch()
    sys.exit(1)
time.sleep(60)
"""
DEAF = """
import pathlib, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "60"])
pathlib.Path("{met}").touch()
time.sleep(60)
"""
GUARDING = """
import sys, pathlib
from pipelines.cluster import guard
guard.RAY = sys.argv[2]
sys.exit(guard.guard(pathlib.Path(sys.argv[1])))
"""


@contextmanager
def owned(folder: Path) -> Iterator[IO[str]]:
    """With the owner's lock held."""
    with lock_of(folder).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        yield owner


@pytest.mark.contract
def test_a_head_one_of_whose_ports_was_taken_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray says that it is started, and ends a moment later."""
    monkeypatch.setattr(guard, "RAY", TAKEN.replace("{met}", str(tmp_path / "met")))
    cleared = list[bool]()
    with owned(tmp_path), lock_of(tmp_path).open() as looks:
        process, address = start_ray(tmp_path, "token", looks, lambda: cleared.append(True))
        assert process.poll() is None
        process.kill()
        process.wait()
    assert f"--port={address.removeprefix('127.0.0.1:')}" in process.args
    assert (tmp_path / "start_1.log").is_file() and not (tmp_path / "start_2.log").exists()
    assert cleared == [True], "what the first left is ended before the second"


def test_ray_does_not_go_on_without_what_takes_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself it gives up a dashboard that takes more than a minute, and says so in a log."""
    began: list[tuple[list[str], dict[str, str]]] = []

    def popen(command: list[str], env: dict[str, str], **_: object) -> None:
        began.append((command, env))
        raise OSError("enough")

    monkeypatch.setattr(guard.subprocess, "Popen", popen)
    with owned(tmp_path) as looks, pytest.raises(OSError, match="enough"):
        start_ray(tmp_path, "token", looks, lambda: None)
    ((command, environment),) = began
    assert "--include-dashboard=true" in command
    assert float(environment["RAY_DASHBOARD_STARTUP_TIMEOUT_S"]) > 60


@pytest.mark.contract
@pytest.mark.parametrize("end", ["the owner's end", "SIGTERM"])
def test_a_start_that_hears_nothing_is_ended_whole(end: str, tmp_path: Path) -> None:
    """As `ray start` that waits for a server that died; the owner takes its place away as well."""
    place, met = tmp_path / "place", tmp_path / "met"
    place.mkdir()
    with owned(place):
        guardian = subprocess.Popen(
            [sys.executable, "-c", GUARDING, place, DEAF.replace("{met}", str(met))],
            start_new_session=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(met.exists, "Ray is being started")
        if end == "SIGTERM":
            os.kill(guardian.pid, signal.SIGTERM)
            guardian.wait(60)
    if end != "SIGTERM":
        shutil.rmtree(place)
        guardian.wait(60)
    assert not [each for each in session_members(guardian.pid) if is_alive(each)]
    assert not note_of(place).exists()


def test_a_folder_that_is_still_written_into_is_removed(tmp_path: Path) -> None:
    """As the processes of a head do that are just being ended."""
    place, began = tmp_path / "ray", threading.Event()
    place.mkdir()

    def write() -> None:
        for number in range(5000):
            with suppress(FileNotFoundError):
                (place / str(number)).mkdir()
            began.set()

    writer = threading.Thread(target=write)
    writer.start()
    began.wait(10)
    remove(place, 60.0)
    writer.join()
    assert not place.exists()


def test_the_note_with_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        _write_note(tmp_path, {"address": "127.0.0.1:1", "token": "t0ken"})
    finally:
        os.umask(before)
    assert note_of(tmp_path).stat().st_mode & 0o777 == 0o600
    assert json.loads(note_of(tmp_path).read_text())["token"] == "t0ken"
    assert list(tmp_path.iterdir()) == [note_of(tmp_path)]
