"""What a machine can lack whatever runs on it, each told with what mends it."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest

from pipelines.host import health
from pipelines.host.checkup import OK, WARNING, WRONG


@pytest.mark.parametrize(
    ("lines", "state", "said"),
    [
        ("torch=={torch}\npsutil=={psutil}\n# a comment\n", OK, "2 as in requirements.lock"),
        ("torch=={torch}+cu126\n", OK, "1 as in"),  # the same version, built for cards
        ("psutil==0.0.1\n", WARNING, "psutil {psutil} (not 0.0.1)"),
        ("a-b==1\nc==1\nd==1\ne==1\nf==1\npsutil==0.0.1\n", WRONG, "missing: a-b, c, d, e and 1"),
    ],
)
def test_packages_are_held_against_the_lock(
    lines: str, state: str, said: str, tmp_path: Path
) -> None:
    here = {name: importlib.metadata.version(name) for name in ("torch", "psutil")}
    here["torch"] = here["torch"].partition("+")[0]
    lock = tmp_path / "requirements.lock"
    lock.write_text(lines.format(**here))
    finding = health.packages(lock)
    assert finding.state == state and said.format(**here) in finding.said
    assert bool(finding.do) == (state != OK)


def test_a_secret_that_others_may_read_is_told_and_not_shown(tmp_path: Path) -> None:
    kept, loose = tmp_path / "auth_token", tmp_path / "credentials"
    for path, mode in ((kept, 0o600), (loose, 0o640)):
        path.write_text("hush")
        path.chmod(mode)
    files = (str(kept), str(loose), str(tmp_path / "absent"))
    finding = health.secret_files(files)
    assert finding.state == WARNING and finding.do == f"chmod 600 {loose}"
    assert "hush" not in finding.said and str(kept) not in finding.said
    loose.chmod(0o600)
    assert health.secret_files(files).state == OK


@pytest.mark.contract
def test_a_page_whose_port_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = health.ports(port)
    assert finding.state == WARNING and finding.do == f"make ui PORT={port + 1}"


@pytest.mark.contract
@pytest.mark.parametrize(
    ("script", "state", "said"),
    [
        ("echo 'RTX 3090, 550.54, 10, 24576'", OK, "driver 550.54: RTX 3090, 10 of 24576 MiB used"),
        ("echo 'Driver/library version mismatch'; exit 18", WRONG, "version mismatch"),
    ],
)
def test_the_drivers_own_word_is_told(
    script: str, state: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = tmp_path / "nvidia-smi"
    played.write_text(f"#!/bin/sh\n{script}\n")
    played.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    finding = health.cards()
    assert finding.state == state and said in finding.said
