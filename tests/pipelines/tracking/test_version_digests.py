"""Files of a registered version, held against the tag that tells their digests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.tracking.version_digests import FILES_TAG, check_files, digests_below


@pytest.fixture
def got(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "artifacts").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "artifacts/weights.pt").write_bytes(b"weights")
    return folder


@pytest.fixture
def tags(got: Path) -> dict[str, str]:
    return {FILES_TAG: json.dumps(digests_below(got))}


def test_files_that_were_registered_pass_whole_and_in_part(got: Path, tags: dict[str, str]) -> None:
    check_files(tags, "version 1", got, "")
    check_files(tags, "version 1", got / "artifacts", "artifacts")
    check_files(tags, "version 1", got / "artifacts/weights.pt", "artifacts/weights.pt")
    (got / "__pycache__").mkdir()
    (got / "__pycache__/x.pyc").touch()
    (got / "export").mkdir()
    (got / "export/model.onnx").touch()
    check_files(tags, "version 1", got, "")


@pytest.mark.parametrize("how", ["differs", "is gone", "was added"])
def test_others_are_refused_by_name(how: str, got: Path, tags: dict[str, str]) -> None:
    path = got / "artifacts/weights.pt"
    if how == "is gone":
        path.unlink()
    elif how == "differs":
        path.write_bytes(b"weightz")
    else:
        path = got / "artifacts/more.py"
        path.touch()
    with pytest.raises(ValueError, match=f"version 1: artifacts/{path.name} {how}: .*--verify"):
        check_files(tags, "version 1", got, "")


@pytest.mark.parametrize("tag", ["", "{", "[]", "null", '{"MLmodel": 7}'])
def test_a_damaged_tag_vouches_for_nothing(tag: str, got: Path) -> None:
    with pytest.raises(ValueError, match=f"version 1: its tag {FILES_TAG} is damaged"):
        check_files({FILES_TAG: tag}, "version 1", got, "")


def test_a_version_of_before_there_were_digests_is_said_once(
    got: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        check_files({}, "version 0 of old", got, "")
    assert capsys.readouterr().err.count("version 0 of old: has no digests of its files") == 1
    check_files({}, "version 0 of old at http://joe:hunter2@host:5000", got, "")
    assert "at http://joe:***@host:5000: has no digests" in capsys.readouterr().err
