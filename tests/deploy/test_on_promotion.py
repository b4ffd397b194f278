"""The other end of a webhook: what is signed rightly is done once; a server comes again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil
import pytest

from deploy import on_promotion
from pipelines.registry.webhooks import Hook, payload, post, signature
from tests.worlds.checkouts import a_shell
from tests.worlds.here import ROOT

pytestmark = pytest.mark.contract
ENTRY = {"time": "2026-01-01T00:00:00", "slot": "pose-coco", "action": "promoted", "version": "3"}
LIMIT_S = 60.0


def wait_for(met: Callable[[], Any]) -> None:
    end = time.monotonic() + LIMIT_S
    while not met():
        if time.monotonic() > end:
            pytest.fail("not met")
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Also where whoever took it over has not asked how it ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def listening(*arguments: str, end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """Its address; end: what ends it."""
    command = [sys.executable, str(ROOT / "deploy" / "on_promotion.py"), "--port", "0", *arguments]
    shell = a_shell() | {"LIMBER_WEBHOOK_SECRET": "s3cret"}
    with subprocess.Popen(command, env=shell, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        try:
            yield listener.stdout.readline().split()[-1]
        finally:
            listener.send_signal(end)
            assert listener.wait(LIMIT_S) == (-end if end == signal.SIGKILL else 0)


def send(url: str, delivery: str, secret: str = "s3cret", **more: str) -> str:
    """What went wrong."""
    return post(Hook("deploy", url, secret, None), delivery, payload({**ENTRY, **more}))[0]


def send_of_before(url: str) -> int:
    """The code of its answer to what was signed an hour ago."""
    body, stamp = json.dumps(payload({**ENTRY, "version": "7"})), str(int(time.time()) - 3600)
    headers = {
        "X-MLflow-Delivery-Id": "old",
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": signature("s3cret", "old", stamp, body),
    }
    try:
        with urlopen(Request(url, body.encode(), headers), timeout=LIMIT_S) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_a_champion_runs_the_command_once(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with listening("--", "sh", "-c", f"echo {{slot}} {{version}} >> {note}") as url:
        assert send(url, "forged", "another", version="6") == "answers 401"
        assert send_of_before(url) == 401, "somebody sends again what was signed once"
        assert send(url, "odd", version="; rm -rf /") == ""  # ours signed it, and still
        for delivery, version in (("one", "3"), ("one", "3"), ("two", "4")):
            assert send(url, delivery, version=version) == ""
        wait_for(lambda: note.is_file() and "4" in note.read_text())
    assert note.read_text() == "pose-coco 3\npose-coco 4\n"


@pytest.mark.parametrize("length", ["\u00b2", "\u0663", "-1", "+1", "", "9" * 5000, "1048577"])
def test_a_length_that_is_none_is_refused_in_words(length: str) -> None:
    """Before anything is read, and without a traceback."""
    with listening("--", "true") as url:
        site = urlsplit(url)
        asked = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        with socket.create_connection((site.hostname, site.port), timeout=LIMIT_S) as line:
            line.sendall(asked.encode("latin-1", "replace"))
            assert b" 413 " in line.makefile("rb").readline()


def test_a_stamp_that_is_none_is_too_old() -> None:
    for stamp in ("\u00b2", "\u0663", "", "-1", "9" * 5000):
        signed = {"X-MLflow-Delivery-Id": "d", "X-MLflow-Timestamp": stamp}
        right = signed | {"X-MLflow-Signature": signature("s3cret", "d", stamp, "{}")}
        assert on_promotion.why_not(right, b"{}", "s3cret") == "it is too old, or a clock is off"


def program(path: Path, text: str) -> None:
    """A file that this user may run; it appears whole."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(path)


@pytest.mark.parametrize(
    ("keep", "said", "runs"),
    [
        (False, "pose-coco: version 3: not started (Exec format error)\n", "4\n"),
        (True, "deploy: not started (Exec format error); tried again\n", "{version}\n"),
    ],
)
def test_what_cannot_be_started_is_said_and_the_next_start_is_tried(
    keep: bool, said: str, runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, note, heard = tmp_path / "deploy", tmp_path / "note", list[str]()

    def is_said() -> bool:
        heard.append(capsys.readouterr().out)
        return said in "".join(heard)

    program(command, "no program")
    deployer = on_promotion.Deployer([str(command), "{version}"], keep)
    deployer.start()
    try:
        if not keep:
            deployer.ask("pose-coco", "3")
        wait_for(is_said)
        program(command, f"#!/bin/sh\necho $1 >> {note}\n{'exec sleep 600' * keep}\n")
        if not keep:
            deployer.ask("pose-coco", "4")
        wait_for(lambda: note.is_file() and note.read_text() == runs)
        assert deployer.is_alive()
    finally:
        deployer.end()


def test_who_deploys_no_more_takes_nothing() -> None:
    """What was not taken counts when it comes again."""
    deployer = on_promotion.Deployer(["true"], keep=False)  # not started
    server = on_promotion.listener(deployer, "s3cret", "127.0.0.1", 0)
    site = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    site.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert send(url, "one") == "answers 503"
        assert send(url, "forged", "another") == "answers 401"
        deployer.start()
        assert send(url, "one") == ""
    finally:
        server.shutdown()
        server.server_close()
        site.join()
        deployer.end()


def test_a_command_that_is_nowhere_is_refused_at_once(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "on_promotion.py"), "--port", "0", "--"]
    shell = a_shell() | {"LIMBER_WEBHOOK_SECRET": "s3cret"}
    asked = [*command, str(tmp_path / "nowhere"), "{slot}"]
    done = subprocess.run(asked, env=shell, capture_output=True, text=True, timeout=LIMIT_S)
    said = f"error: {tmp_path / 'nowhere'}: no such command, or this user may not run it\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_command_that_a_champion_names_is_looked_for_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(on_promotion.SECRET, "s3cret")
    assert on_promotion.why_no_start(["./deploy-{slot}"], keep=False) == ""
    assert on_promotion.why_no_start(["./deploy-{slot}"], keep=True) != ""


def test_a_port_that_is_taken_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(on_promotion.SECRET, "s3cret")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert on_promotion.main(["--port", str(port), "--", "true"]) == 2
    assert f"error: 127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err


@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGKILL])
def test_a_server_ends_with_the_listener(end: signal.Signals, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = ("sh", "-c", f"echo $$ > {note}; exec sleep 600")
    with listening("--keep", "--", *command, end=end):
        wait_for(lambda: note.is_file() and note.read_text().endswith("\n"))
    pid = int(note.read_text())
    wait_for(lambda: is_gone(pid))


@pytest.mark.full
def test_a_server_is_kept_and_comes_again_with_a_champion(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    def pids() -> list[int]:
        return [int(line) for line in note.read_text().split()] if note.is_file() else []

    with listening("--keep", "--", "sh", "-c", f"echo $$ >> {note}; exec sleep 600") as url:
        wait_for(lambda: len(pids()) == 1)
        assert send(url, "one") == ""
        wait_for(lambda: len(pids()) == 2)
        assert not psutil.pid_exists(pids()[0])
        psutil.Process(pids()[1]).kill()  # it comes again by itself
        wait_for(lambda: len(pids()) == 3)
    wait_for(lambda: not psutil.pid_exists(pids()[2]))
