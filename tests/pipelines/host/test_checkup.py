"""A machine looked at: whatever a room does, its neighbours are heard, nothing is left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipelines.host.checkup import LONGEST, OK, WRONG, Check, Finding, examine, found, plain

FRAME = "import os, sys, time; from pipelines.host.checkup import OK, Check, Finding, tell; "
WELL = FRAME + "tell([Check('disk', lambda: Finding('disk', OK, 'roomy'))])"
HANGS = FRAME + (
    "tell([Check('slow', lambda: time.sleep(600)), "
    "Check('quick', lambda: Finding('quick', OK, 'there'))], limit_s=0.5)"
)
HELD = FRAME + (  # a child of its own, which keeps its output open
    "print('noise of a library'); import subprocess; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(600)"
)
DIES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
LACKS = "import a_package_that_is_nowhere"


def python(code: str, *more: str) -> list[str]:
    return [sys.executable, "-c", code, *more]


@pytest.mark.contract
def test_a_room_that_fails_costs_its_own_lines_alone() -> None:
    rooms = {"lacks": LACKS, "dies": DIES, "hangs": HANGS, "well": WELL}
    told = dict(examine({room: python(code) for room, code in rooms.items()}, limit_s=60))
    assert list(told) == list(rooms)
    (lacks,), (dies,), (slow, quick), (disk,) = told.values()
    assert lacks.what == "lacks" and lacks.state == WRONG
    assert "No module named 'a_package_that_is_nowhere'" in lacks.said and "pip" in lacks.do
    assert dies.state == WRONG and "signal 11" in dies.said
    assert (slow.what, slow.state) == ("slow", WRONG) and "no answer" in slow.said
    assert quick == Finding("quick", OK, "there")
    assert disk == Finding("disk", OK, "roomy")


@pytest.mark.contract
def test_a_room_that_is_late_is_ended_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    ((_, (finding,)),) = examine({"late": python(HELD, str(note))}, limit_s=1)
    assert (finding.what, finding.state) == ("late", WRONG) and "no answer" in finding.said
    if note.is_file() and psutil.pid_exists(pid := int(note.read_text())):
        gone, _ = psutil.wait_procs([psutil.Process(pid)], timeout=60)
        assert gone


def refused() -> Finding:
    raise ValueError("params.yaml: tracking.uri: given 'ftp'; leave it null")


def fell() -> Finding:
    raise SystemExit


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (
            refused,
            Finding("x", WRONG, "params.yaml: tracking.uri: given 'ftp'", "leave it null"),
        ),
        (fell, Finding("x", WRONG, "SystemExit")),
        (lambda: Finding("y", OK, "two\n  lines"), Finding("y", OK, "two lines")),
    ],
)
def test_an_error_is_a_line(look: Callable[[], Finding], expected: Finding) -> None:
    assert found(Check("x", look)) == [expected]


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t0k3n-of-the-cluster")
    said = plain(
        "https://me:s3cret@host:5000/y, key wJalrXUtnFEMI, t0k3n-of-the-cluster; https://host/z"
    )
    assert "s3cret" not in said and "wJalr" not in said and "t0k3n" not in said
    assert "https://me:***@host:5000/y" in said and "https://host/z" in said
    assert len(plain("x" * 9999)) == LONGEST
