"""The page of a machine's faults: a line each, what mends it below, and the exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import doctor
from pipelines.host.checkup import OK, WARNING, WRONG, Finding
from tests.worlds.checkouts import a_shell
from tests.worlds.here import ROOT

FINE = Finding("Python", OK, "3.11")
LITTLE = Finding("disk", WARNING, "home: 5 GiB free", "make room")
NONE = Finding("tracking", WRONG, "nobody answers", "start it")


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([FINE, LITTLE], 0, "1 ok, 1 to look at, 0 wrong"),
        ([FINE, NONE, LITTLE], 1, "1 ok, 1 to look at, 1 wrong"),
    ],
)
def test_what_is_wrong_is_the_exit_code(
    findings: list[Finding], code: int, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.show(findings) == code
    *lines, end = capsys.readouterr().out.splitlines()
    assert end == last
    assert [line.split()[0] for line in lines if "->" not in line] == [f.state for f in findings]
    assert [line.partition("-> ")[2] for line in lines if "->" in line] == [
        f.do for f in findings if f.do
    ]


def test_each_room_with_a_health_is_asked() -> None:
    there = {path.parent.name for path in (ROOT / "pipelines").glob("*/health.py")}
    assert set(doctor.ROOMS) == there


@pytest.mark.full
@pytest.mark.contract
def test_this_machine_is_looked_at_whole(tmp_path: Path) -> None:
    """With an address where nobody listens, and a storage that is not there."""
    shell = a_shell() | {
        "LIMBER_HOME": str(tmp_path),
        "LIMBER_STORAGE": "/proc/no/such/folder",
        "RAY_ADDRESS": "http://127.0.0.1:1",
        "MLFLOW_TRACKING_URI": "http://me:s3cret-word@127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.doctor"],
        cwd=ROOT, env=shell, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    told = {line[9:23].strip(): line[:8].strip() for line in lines if line[:8].strip()}
    assert done.returncode == 1 and not done.stderr
    assert {name for name, state in told.items() if state == "wrong"} >= {
        "storage", "tracking", "Ray"
    }  # fmt: skip
    assert told["Python"] == told["params.yaml"] == told["room"] == "ok"
    assert "s3cret" not in done.stdout
