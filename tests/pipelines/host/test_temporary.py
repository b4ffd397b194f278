"""Temporary files that a killed process left."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pipelines.host.temporary import temporary_in


def test_what_a_killed_process_left_is_gone_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    work = tmp_path / "runs" / "work"
    (work / "left").mkdir(parents=True)
    with pytest.raises(OSError, match="broken"), temporary_in(work):
        assert not list(work.iterdir())
        made = Path(tempfile.mkdtemp())
        assert made.parent == work and os.environ["TMPDIR"] == str(work)
        raise OSError("broken")
    assert not work.exists() and os.environ["TMPDIR"] == str(tmp_path)
    assert Path(tempfile.mkdtemp()).parent == tmp_path
