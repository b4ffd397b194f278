"""What a killed DVC leaves half written is mended, whatever was written of it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from voluptuous import Invalid

from data.ground.yaml_text import read_yaml
from pipelines.host import dvc_state
from pipelines.host.dvc_state import mend_dvc

pytestmark = pytest.mark.unit
WHOLE = """\
schema: '2.0'
stages:
  code:
    cmd: python -m pipelines.code
    outs:
    - path: data/store/code
      hash: md5
      md5: 6a1d3a1f1a2b.dir
      size: 9123
      nfiles: 12
  train@demo_hrnet:
    cmd: python -m pipelines.train demo_hrnet
    deps:
    - path: data/store/prepared/stick_figures
      hash: md5
      md5: 0f0f.dir
      size: 81234
      nfiles: 7
    params:
      params.yaml:
        run.recipes.demo_hrnet:
          dataset: stick_figures
    outs:
    - path: results/demo_hrnet/trained
      hash: md5
      md5: abcd.dir
      size: 1234
      nfiles: 3
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    (tmp_path / ".dvc/tmp/rwlock").write_text('{"write": {}, "read": {}}')
    return tmp_path


def reads(path: Path) -> bool:
    """DVC, by its own schema."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    try:
        return bool(COMPILED_LOCKFILE_SCHEMA(read_yaml(path) or {}))
    except (ValueError, Invalid):
        return False


def contents(checkout: Path) -> dict[str, str]:
    files = [path for path in checkout.rglob("*") if path.is_file()]
    return {path.relative_to(checkout).as_posix(): path.read_text() for path in files}


def test_what_is_whole_stays(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(checkout)
    mend_dvc(checkout)
    (checkout / "dvc.lock").unlink()
    (checkout / ".dvc/tmp/rwlock").unlink()
    mend_dvc(checkout)
    assert contents(checkout) == {} and before.keys() == {"dvc.lock", ".dvc/tmp/rwlock"}
    assert capsys.readouterr().err == ""


def test_no_dvc_no_mending(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("")
    mend_dvc(tmp_path)
    assert contents(tmp_path) == {"dvc.lock": ""}


@pytest.mark.parametrize("left", ["", '{"write": {}, "re', "[]", "\0\0\0"])
def test_half_a_list_of_locks_is_removed(
    checkout: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / ".dvc/tmp/rwlock").write_text(left)
    mend_dvc(checkout)
    assert not (checkout / ".dvc/tmp/rwlock").exists()
    assert (checkout / "dvc.lock").read_text() == WHOLE
    said = ".dvc/tmp/rwlock: half written by a DVC that was killed; removed\n"
    assert capsys.readouterr().err == said


def test_wherever_its_writing_ended_dvc_reads_what_is_left(checkout: Path) -> None:
    """By DVC's own schema; half a file is set aside, not lost."""
    lines = [end for end, letter in enumerate(WHOLE, 1) if letter == "\n"]
    ends = sorted({*range(0, len(WHOLE), 7), *lines, *(end - 1 for end in lines)} - {len(WHOLE)})
    aside = 0
    for end in ends:
        (checkout / "dvc.lock").write_text(WHOLE[:end])
        mend_dvc(checkout, reads)
        if (checkout / "dvc.lock").exists():
            assert reads(checkout / "dvc.lock"), WHOLE[:end][-60:]
        else:
            aside += 1
            assert (checkout / "dvc.lock.damaged").read_text() == WHOLE[:end]
    assert len(ends) // 4 < aside < len(ends)


def test_a_conflict_is_for_people(checkout: Path) -> None:
    text = f"<<<<<<< ours\n{WHOLE}=======\n>>>>>>> theirs\n"
    (checkout / "dvc.lock").write_text(text)
    mend_dvc(checkout)
    assert (checkout / "dvc.lock").read_text() == text


def test_what_another_dvc_may_be_writing_is_left_alone(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dvc_state, "PATIENCE_S", 0.1)
    (checkout / "dvc.lock").write_text("")
    with (checkout / ".dvc/tmp/lock").open("w") as others:
        fcntl.flock(others, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="works here"):
            mend_dvc(checkout)
    assert (checkout / "dvc.lock").read_text() == ""
