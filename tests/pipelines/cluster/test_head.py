"""Places of a local head, and addresses that need none. Heads that start: tests/road."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines.cluster import head
from pipelines.cluster.head import (
    FOLDER,
    QUIET,
    _find_head,
    _is_alive,
    _kill_session,
    _remove,
    _session_members,
    one_head,
    ray_address,
)
from tests.worlds.waiting import wait_for

NOBODY = (1 << 22) + 1  # no process has such a number


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without a cluster; what Ray reads is put back after the test."""
    for name in ("RAY_ADDRESS", FOLDER, *QUIET):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    return monkeypatch


def test_an_address_that_is_given_starts_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RAY_DEDUP_LOGS", "1")
    environment.setenv("RAY_ADDRESS", "ray://there:1")
    with ray_address(None) as found:
        assert found == "ray://there:1"
    with ray_address("ray://wanted:1") as found:
        assert found == "ray://wanted:1", "before what the environment says"
        assert FOLDER not in os.environ
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_DEDUP_LOGS"] == "1", "what somebody chose stays"


def test_trainings_inside_share_one_place_which_is_gone_afterwards(
    environment: pytest.MonkeyPatch,
) -> None:
    with one_head():
        folder = Path(os.environ[FOLDER])
        with one_head():
            assert os.environ[FOLDER] == str(folder)
        assert os.environ[FOLDER] == str(folder)
        assert [path.name for path in folder.iterdir()] == ["owner.lock"], "no head before asked"
    assert FOLDER not in os.environ and not folder.exists()


def test_a_place_is_gone_also_where_what_it_was_for_failed(
    environment: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OSError, match="broken"), one_head():
        folder = Path(os.environ[FOLDER])
        raise OSError("broken")
    assert FOLDER not in os.environ and not folder.exists()


def test_a_head_whose_guard_was_killed_is_not_asked_again(tmp_path: Path) -> None:
    note = tmp_path / "head.json"
    note.write_text(json.dumps({"address": "gone", "token": "x", "guard": NOBODY}))

    def start(folder: Path) -> None:
        assert not note.exists()
        note.write_text(json.dumps({"address": "anew", "token": "y", "guard": os.getpid()}))

    assert _find_head(tmp_path, start)["address"] == "anew"
    assert _find_head(tmp_path, start)["address"] == "anew", "one that lives stays"


def test_trainings_that_begin_at_once_start_one_head(tmp_path: Path) -> None:
    second, started = threading.Event(), list[str]()

    def start(folder: Path) -> None:
        started.append(threading.current_thread().name)
        second.wait(0.5)  # where it is not kept out, the other starts one as well
        second.set()
        (folder / "head.json").write_text(
            json.dumps({"address": "there", "token": "x", "guard": os.getpid()})
        )

    others = [threading.Thread(target=_find_head, args=(tmp_path, start)) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert len(started) == 1


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


@pytest.mark.contract
def test_a_head_one_of_whose_ports_was_taken_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray says that it is started, and ends a moment later."""
    monkeypatch.setattr(head, "RAY", TAKEN.replace("{met}", str(tmp_path / "met")))
    with head._lock(tmp_path).open("w") as owner, head._lock(tmp_path).open() as looks:
        fcntl.flock(owner, fcntl.LOCK_EX)
        process, address = head._start_ray(tmp_path, "token", looks)
        assert process.poll() is None
        process.kill()
        process.wait()
    assert f"--port={address.removeprefix('127.0.0.1:')}" in process.args
    assert (tmp_path / "start_1.log").is_file() and not (tmp_path / "start_2.log").exists()


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
    _remove(place, 60.0)
    writer.join()
    assert not place.exists()


@pytest.mark.contract
def test_a_session_is_ended_with_those_that_it_begins_meanwhile() -> None:
    script = (
        "import subprocess, time\n"
        "for _ in range(300): subprocess.Popen(['sleep', '60']); time.sleep(0.005)"
    )
    first = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    wait_for(lambda: len(_session_members(first.pid)) > 5, "some have begun")
    _kill_session(first.pid)
    assert not [each for each in _session_members(first.pid) if _is_alive(each)]
    first.wait(60)
