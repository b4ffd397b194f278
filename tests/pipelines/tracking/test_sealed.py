"""What a training tells survives wrong bits, wrong types and empty files: named and passed over."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from pipelines.tracking import runs
from pipelines.tracking.__main__ import main
from pipelines.tracking.outbox import Outbox, Postman
from pipelines.tracking.sealed import read_record, read_sealed, sealed
from pipelines.tracking.server import IMPATIENT, address_of

RECORD = {"kind": "epoch", "epoch": 3, "step": 30, "metrics": {"loss": 0.25, "AP@gt": 1e-05}}
SERVER = "http://ann:hunter2@tracker:5000"


def test_what_was_sealed_comes_back_and_no_wrong_bit_is_taken_for_a_number() -> None:
    line = sealed(RECORD)
    assert read_record(line) == RECORD and line.endswith(b"\n")
    changes = 0
    for place in range(len(line) - 1):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            try:
                told = read_record(bytes(changed))
            except ValueError:
                changes += 1
                continue
            assert {key: told.get(key) for key in RECORD} == RECORD, changed
    assert changes > 8 * len(line) * 0.9


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"null\n", b"[]\n", b"7\n", b'{"kind": "epoch"', b"\xff\xfe\n", b"[" * 100_000,
        b'{"kind": 7}\n', b'{"kind": "epoch", "epoch": "3"}\n', b'{"kind": "epoch", "epoch": true}',
        b'{"kind": "epoch", "metrics": []}\n', b'{"kind": "epoch", "metrics": {"loss": "x"}}\n',
        b'{"kind": "open", "tags": {"a": 1}}\n', b'{"kind": "tags", "time": null}\n',
        sealed(RECORD).replace(b"crc", b"cRc"), sealed(RECORD).replace(b'"crc": ', b'"crc": -'),
        sealed(RECORD).replace(b'"loss"', b'"lnss"').replace(b'"crc"', b'"brc"'),
    ],
)  # fmt: skip
def test_a_line_without_a_digest_is_held_against_its_types(line: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        read_record(line)
    with pytest.raises(ValueError, match="damaged"):
        read_sealed(line)


def test_a_record_of_before_there_were_digests_is_read_where_any_may_be() -> None:
    line = json.dumps({**RECORD, "time": 1.5}).encode() + b"\n"
    assert read_record(line) == {**RECORD, "time": 1.5}
    with pytest.raises(ValueError, match="damaged, it has no digest"):
        read_sealed(line)
    assert read_sealed(sealed(RECORD)) == RECORD


def filled(path: Path) -> list[bytes]:
    """An outbox of five epochs; its lines."""
    outbox = Outbox(path)
    for epoch in range(5):
        outbox.append("epoch", epoch=epoch, step=epoch, metrics={"loss": 0.5})
    outbox.release()
    return path.read_bytes().splitlines(keepends=True)


def sent(path: Path) -> list[int]:
    """Epochs that a postman brings now."""
    outbox, got = Outbox(path), list[int]()
    Postman(outbox, lambda: (SERVER, "r", lambda each: got.append(each["epoch"]))).deliver_all()
    outbox.release()
    return got


def test_a_damaged_line_is_said_once_and_those_behind_it_are_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outbox.jsonl"
    lines = filled(path)
    lines[2] = lines[2].replace(b"0.5", b"0.7")
    path.write_bytes(b"".join(lines))
    assert sent(path) == [0, 1, 3, 4] and sent(path) == []
    place = len(lines[0]) + len(lines[1])
    said = f"tracking: {path}, byte {place}: damaged, its digest is another; this line is passed"
    assert capsys.readouterr().err.count(said) == 1, "it was sent past, and is not read again"


def test_an_epoch_whose_line_was_lost_is_told_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    lines = filled(path)
    path.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[3:]]))
    outbox = Outbox(path)
    assert outbox.epochs() == {0, 1, 3, 4}
    outbox.release()


@pytest.mark.parametrize(
    "note",
    [
        b"", b"null", b"[]", b"{}", b"\xff", b'{"address": 5, "position": 0}', b"\0" * 40,
        *(b'{"address": "%s r", "position": %s}' % (SERVER.encode(), each)
          for each in (b"-1", b"true", b"1e2", b'"7"', b"7", b"10000000")),
    ],
)  # fmt: skip
def test_where_it_is_not_known_how_far_it_was_sent_all_is_sent(
    tmp_path: Path, note: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outbox.jsonl"
    filled(path)
    assert sent(path) == list(range(5)) and sent(path) == []
    path.with_suffix(".sent").write_bytes(note)
    assert sent(path) == list(range(5)) and sent(path) == []
    said = capsys.readouterr().err
    assert f"{path.with_suffix('.sent')}: damaged" in said and "from its beginning" in said


def test_a_note_of_before_it_had_a_digest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    first = len(filled(path)[0])
    kept = {"address": f"{SERVER} r", "position": first}
    path.with_suffix(".sent").write_text(json.dumps(kept))
    assert sent(path) == [1, 2, 3, 4]


def test_an_outbox_that_is_shorter_than_what_was_sent_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    lines = filled(path)
    sent(path)
    path.write_bytes(lines[0])
    assert sent(path) == [0]


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> dict[str, Any]:
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")
    given: dict[str, Any] = {"params": {}, "tags": {}, "later": True, **more}
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    runs.open_run("demo", "f" * 64, folder, **given).close("FINISHED", patience=60)
    outbox = Outbox(folder / "outbox.jsonl")
    header = outbox.header
    outbox.release()
    assert header is not None
    return header


@pytest.mark.contract  # a GPU is asked for its load by a process
def test_whose_first_lines_were_lost_goes_on_in_the_run_that_it_was_sent_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.jsonl"
    first = opened(tmp_path, monkeypatch)
    outbox = Outbox(path)
    outbox.keep_position(f"{SERVER} run-7", path.stat().st_size)
    outbox.release()
    again = opened(tmp_path, monkeypatch)
    assert (again["id"], again["run_id"]) == (first["id"], None)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(b"x" + line[1:] for line in lines))
    lost = opened(tmp_path, monkeypatch)
    assert lost["id"] != first["id"] and lost["run_id"] == "run-7"


@pytest.mark.contract
def test_no_password_and_nobody_elses_eyes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outbox.jsonl"
    path.touch(mode=0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens there
        server = f"http://ann:hunter2@127.0.0.1:{free.getsockname()[1]}"
        header = opened(tmp_path, monkeypatch, uri=server, later=False)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        assert header["uri"] == server.replace("hunter2", "***")
        assert address_of(header["uri"]) == server, "who knows the password sends it"
        assert main([str(path)]) == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    assert address_of(header["uri"]) == server.replace(":hunter2", ""), "of another server"
    said = capsys.readouterr()
    assert "127.0.0.1" in said.err and "hunter2" not in said.err + said.out
    outbox = Outbox(path)
    outbox.keep_position(f"{server} r", path.stat().st_size)
    assert outbox.position(f"{server} r") == path.stat().st_size
    outbox.refuse({"kind": "epoch"}, f"no {server}")
    outbox.release()
    for file in tmp_path.iterdir():
        assert b"hunter2" not in file.read_bytes(), file
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_suffix(".refused.jsonl").stat().st_mode & 0o777 == 0o600
