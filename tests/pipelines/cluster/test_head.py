"""Places of a local head, and addresses that need none. Heads that start: tests/road."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.cluster import head
from pipelines.cluster.addresses import joined_address
from pipelines.cluster.guard import QUIET, guard_id_of, note_of
from pipelines.cluster.head import FOLDER, _find_head, noticing_its_end, one_head, ray_address
from tests.worlds.here import ROOT

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


@pytest.mark.parametrize("configured", [None, "local"])
def test_local_is_a_head_of_our_own(
    configured: str | None, environment: pytest.MonkeyPatch
) -> None:
    """Which is guarded, asks for a token and listens on this machine alone, as Ray's is not."""
    environment.setenv("RAY_ADDRESS", "local" if configured is None else "ray://there:1")
    assert joined_address(configured) is None
    assert joined_address("ray://wanted:1") == "ray://wanted:1"
    environment.setattr(head, "_find_head", lambda folder: {"address": "ours:1", "token": "x"})
    with ray_address(configured) as found:
        assert found == "ours:1"


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


def write(folder: Path, address: str, guard: int) -> None:
    note_of(folder).write_text(json.dumps({"address": address, "token": "x"}))
    guard_id_of(folder).write_text(str(guard))


def test_a_head_whose_guard_was_killed_is_not_asked_again(tmp_path: Path) -> None:
    write(tmp_path, "gone", NOBODY)

    def start(folder: Path) -> None:
        assert not note_of(folder).exists()
        write(folder, "anew", os.getpid())

    assert _find_head(tmp_path, start)["address"] == "anew"
    assert _find_head(tmp_path, start)["address"] == "anew", "one that lives stays"


def test_a_start_whose_guard_was_killed_is_begun_anew(tmp_path: Path) -> None:
    """Before it had a head to write of."""
    guard_id_of(tmp_path).write_text(str(NOBODY))
    assert _find_head(tmp_path, lambda folder: write(folder, "anew", os.getpid())) == {
        "address": "anew", "token": "x",
    }  # fmt: skip


def test_trainings_that_begin_at_once_start_one_head(tmp_path: Path) -> None:
    second, started = threading.Event(), list[str]()

    def start(folder: Path) -> None:
        started.append(threading.current_thread().name)
        second.wait(0.5)  # where it is not kept out, the other starts one as well
        second.set()
        write(folder, "there", os.getpid())

    others = [threading.Thread(target=_find_head, args=(tmp_path, start)) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert len(started) == 1


@pytest.mark.contract
@pytest.mark.parametrize("needed", [True, False])
def test_the_end_of_a_head_is_told_while_it_is_needed(needed: bool, tmp_path: Path) -> None:
    """Which its guard ends with, and it with its guard."""
    guard = subprocess.Popen(["sleep", "600"])
    write(tmp_path, "there", guard.pid)
    (tmp_path / "start_0.log").write_text("Some Ray subprocesses exited: gcs_server\n")
    told: queue.Queue[str] = queue.Queue()
    try:
        with noticing_its_end(tmp_path, told.put):
            (watch,) = [each for each in threading.enumerate() if each.name == "head"]
            if needed:
                guard.kill()
                watch.join(60)
    finally:
        guard.kill()
        guard.wait()
    watch.join(60)
    assert not watch.is_alive()
    expected = ["Some Ray subprocesses exited: gcs_server"] if needed else []
    assert [told.get_nowait() for _ in range(told.qsize())] == expected


@pytest.mark.contract
@pytest.mark.parametrize("shared", [False, True])
def test_who_ends_without_its_head_leaves_no_place(shared: bool, tmp_path: Path) -> None:
    """Its guard is gone, so nobody else would remove it; one that others share is theirs."""
    code = (
        "import os, signal, subprocess, sys, time\nfrom pathlib import Path\n"
        "from pipelines.cluster import head\n"
        "from pipelines.cluster.guard import guard_id_of, note_of\n"
        "def find(folder):\n"
        "    guard = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "    guard_id_of(folder).write_text(str(guard.pid))\n"
        "    return {'address': 'there:1', 'token': 'x', 'guard': guard}\n"
        "head._find_head = find\n"
        f"shared = {shared}\n"
        "def train():\n"
        "    with head.ray_address(None):\n"
        "        folder = Path(os.environ[head.FOLDER])\n"
        "        print(folder, flush=True)\n"
        "        os.kill(int(guard_id_of(folder).read_text()), signal.SIGKILL)\n"
        "        time.sleep(600)\n"
        "if shared:\n    with head.one_head():\n        train()\n"
        "train()\n"
    )
    shell = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", FOLDER)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=shell, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    folder = Path(done.stdout.strip())
    assert done.returncode == 1, done.stderr
    assert "error: the local Ray head ended; the same command goes on" in done.stderr
    assert folder.exists() == shared
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.contract
@pytest.mark.parametrize(("does", "how"), [("time.sleep(60)", " within 300 s"), ("", "")])
def test_a_head_that_does_not_come_is_told_with_what_ray_says(
    does: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the start that is not yet over, too."""
    stand_in, place = tmp_path / "code/pipelines/cluster", tmp_path / "place"
    stand_in.mkdir(parents=True)
    place.mkdir()
    log = place / "start_0.log"
    (stand_in / "__main__.py").write_text(
        "import time, pathlib\nprint('was tried', flush=True)\n"
        f"new = pathlib.Path({str(log)!r} + '.new')\nnew.write_text('Ray is slow')\n"
        f"new.rename({str(log)!r})\n{does}\n"
    )
    long = SimpleNamespace(monotonic=lambda: 301.0 if log.exists() else 0.0, sleep=time.sleep)
    monkeypatch.setattr(head, "REPOSITORY", tmp_path / "code")
    if does:
        monkeypatch.setattr(head, "time", long)
    with pytest.raises(ValueError, match=r"the local Ray head: did not start") as refused:
        head._start(place)
    with suppress(ProcessLookupError):
        os.kill(int(guard_id_of(place).read_text()), signal.SIGKILL)
    assert f"did not start{how}; Ray says:\nwas tried\nRay is slow" in str(refused.value)
