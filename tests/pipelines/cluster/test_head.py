"""Ports of a local head, and addresses that need none. Heads that start: tests/road."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from pipelines.cluster.head import FOLDER, QUIET, _find_head, free_ports, one_head, ray_address


def test_ports_asked_for_at_once_all_differ() -> None:
    ports = free_ports(400)
    assert len(set(ports)) == len(ports) == 400
    assert all(1024 <= port < 65536 for port in ports)
    assert free_ports(0) == []


def test_ports_are_let_go_of() -> None:
    assert any(can_be_had(port) for port in free_ports(5)), "others may take some, never all"


def can_be_had(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without a cluster; what Ray reads is put back after the test."""
    for name in ("RAY_ADDRESS", FOLDER, *QUIET):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    return monkeypatch


def test_an_address_that_is_given_starts_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RAY_DEDUP_LOGS", "1")
    environment.setenv("RAY_ADDRESS", "ray://there:1")
    with ray_address(None) as found:
        assert found == "ray://there:1"
    with ray_address("ray://wanted:1") as found:
        assert found == "ray://wanted:1", "before what the environment says"
        assert FOLDER not in os.environ
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_DEDUP_LOGS"] == "1", "what somebody chose stays"


def test_trainings_inside_share_one_place_which_is_gone_afterwards(
    environment: pytest.MonkeyPatch,
) -> None:
    with one_head():
        folder = Path(os.environ[FOLDER])
        with one_head():
            assert os.environ[FOLDER] == str(folder)
        assert os.environ[FOLDER] == str(folder)
        assert [path.name for path in folder.iterdir()] == ["owner.lock"], "no head before asked"
    assert FOLDER not in os.environ and not folder.exists()


def test_trainings_that_begin_at_once_start_one_head(tmp_path: Path) -> None:
    second, started = threading.Event(), list[str]()

    def start(folder: Path) -> None:
        started.append(threading.current_thread().name)
        second.wait(0.5)  # where it is not kept out, the other starts one as well
        second.set()
        (folder / "head.json").write_text(json.dumps({"address": "there", "token": "x"}))

    others = [threading.Thread(target=_find_head, args=(tmp_path, start)) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert len(started) == 1
