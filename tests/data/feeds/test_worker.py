"""Processes that work for another one do not outlive it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from tests.chaos.fault import TOKEN, processes_of
from tests.worlds.here import ROOT
from tests.worlds.started import GONE_SECONDS, command_of, still_there
from tests.worlds.waiting import wait_for

HELPERS = 2  # a fork server, and who keeps track of what is shared
WORKERS = 2


def at_work(token: str, parent: int) -> int:
    """How many have a thread beside their own: who waits for the parent's end."""
    tasks = [Path(f"/proc/{each}/task") for each in processes_of(token) if each != parent]
    return sum(each.is_dir() and len(list(each.iterdir())) > 1 for each in tasks)


@pytest.mark.contract
@pytest.mark.full
@pytest.mark.parametrize("how", ["loads", "checks"])
def test_who_works_for_a_process_that_is_killed_ends_with_it(tmp_path: Path, how: str) -> None:
    token = uuid.uuid4().hex
    temporary = Path(tempfile.mkdtemp(prefix="limber-", dir="/tmp"))  # sockets' paths are short
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.worlds.served", str(tmp_path), how],
        cwd=ROOT,
        env=os.environ | {TOKEN: token, "TMPDIR": str(temporary)},
    )
    try:
        wait_for(lambda: len(processes_of(token)) == 1 + HELPERS + WORKERS, "all who work")
        wait_for(lambda: at_work(token, process.pid) >= WORKERS, "they have begun")
        process.kill()
        process.wait()
        left = still_there(TOKEN, token)
        assert not left, f"there after {GONE_SECONDS:g} s: {[command_of(each) for each in left]}"
        assert not list(temporary.glob("pymp-*"))
    finally:
        process.kill()
        shutil.rmtree(temporary, ignore_errors=True)
        for process_id in processes_of(token):
            os.kill(process_id, 9)
