"""An outbox is taken over as a training left it; a file that is none is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.tracking.__main__ import main
from pipelines.tracking.outbox import HEADER, Outbox
from pipelines.tracking.sealed import sealed

TORN = b"cut in the mid"


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of each."""
    return {each.name: (each.read_bytes(), each.stat().st_mode) for each in folder.iterdir()}


@pytest.mark.parametrize(
    "content",
    [b"", TORN, b"two\nlines", b"\xff\0\n" * 9, sealed({"kind": "epoch", "epoch": 1}),
     sealed({"kind": "open", "name": "x"})],
)  # fmt: skip
@pytest.mark.parametrize("name", ["dvc.yaml", "outbox.jsonl"])
def test_a_file_that_is_no_outbox_stays_as_it_is_with_all_beside_it(
    tmp_path: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    path.chmod(0o644)
    path.with_suffix(".lock").write_bytes(b"schema: '2.0'\n")
    before = files(tmp_path)
    assert main([str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}: no outbox of a training" in said and "runs/RECIPE-KEY/outbox.jsonl" in said
    assert files(tmp_path) == before


def test_a_lock_file_keeps_what_stands_in_it(tmp_path: Path) -> None:
    lock = tmp_path / "outbox.lock"
    lock.write_bytes(b"another's")
    Outbox(tmp_path / "outbox.jsonl").release()
    assert lock.read_bytes() == b"another's"


def test_a_torn_line_is_cut_off_behind_a_whole_one(tmp_path: Path) -> None:
    path, whole = tmp_path / "outbox.jsonl", sealed(dict.fromkeys(HEADER, "x") | {"kind": "open"})
    path.write_bytes(whole + TORN)
    Outbox(path).release()
    assert path.read_bytes() == whole


def test_a_torn_line_with_no_whole_one_before_it_stays_and_the_next_is_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_bytes(b"no record\n" + TORN)
    outbox = Outbox(path)
    outbox.append("epoch", epoch=7)
    assert outbox.epochs() == {7}
    outbox.release()
    assert path.read_bytes().startswith(b"no record\n" + TORN + b"\n{")
    assert capsys.readouterr().err.count("this line is passed over") == 2
