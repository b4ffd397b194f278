"""Sessions that are ended whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.host.sessions import is_alive, kill_session, session_members
from tests.worlds.waiting import wait_for


@pytest.mark.contract
def test_a_session_is_ended_with_those_that_it_begins_meanwhile() -> None:
    script = (
        "import subprocess, time\n"
        "for _ in range(300): subprocess.Popen(['sleep', '60']); time.sleep(0.005)"
    )
    first = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    wait_for(lambda: len(session_members(first.pid)) > 5, "some have begun")
    kill_session(first.pid)
    assert not [each for each in session_members(first.pid) if is_alive(each)]
    first.wait(60)
