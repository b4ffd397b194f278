"""A storage is tried with a small file, which is gone again; DVC's remote is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.host import places
from pipelines.host.checkup import OK, WARNING, WRONG, Check, found
from pipelines.store import health
from tests.worlds.checkouts import start_dvc


def test_a_storage_is_tried_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMBER_STORAGE", str(tmp_path))
    (tmp_path / "kept").write_text("mine")
    finding = health.storage()
    assert finding.state == OK and str(tmp_path) in finding.said and "lists" in finding.said
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kept"]
    monkeypatch.setenv("LIMBER_STORAGE", "/proc/no/such/folder")
    (finding,) = found(Check("storage", health.storage))
    assert finding.state == WRONG and "/proc/no" in finding.said


@pytest.mark.parametrize(
    ("listed", "state", "said"),
    [
        (None, WARNING, "this disk alone"),
        ("", WARNING, "this disk alone"),
        ("a\t/mnt/a\nb\t/mnt/b\t(default)\n", OK, "b: /mnt/b"),
    ],
)
def test_dvcs_default_remote_is_told(
    listed: str | None, state: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "ask_dvc", lambda *_: listed)
    finding = health.remote()
    assert finding.state == state and said in finding.said


@pytest.mark.contract
def test_dvc_itself_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_dvc(tmp_path)
    (tmp_path / ".dvc/config").write_text("[core]\nremote = b\n['remote \"b\"']\nurl = /mnt/b\n")
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    finding = health.remote()
    assert finding.state == OK and "b: /mnt/b" in finding.said


@pytest.mark.contract
def test_a_remote_that_does_not_answer_is_wrong(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "ask_dvc", lambda *_: "limber\ts3://bucket/dvc\t(default)")
    assert health.remote().state == OK
    monkeypatch.setattr(health, "ask_dvc", lambda *_: "limber\ts3://no-such-bucket-here/dvc")
    (finding,) = found(Check("DVC remote", health.remote))
    assert finding.state == WRONG and "no-such-bucket-here" in finding.said
