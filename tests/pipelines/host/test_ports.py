"""Ports for servers that are about to start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipelines.host import ports
from pipelines.host.ports import LOWEST, free_ports, listens


def test_ports_asked_for_at_once_all_differ() -> None:
    found = free_ports(400)
    assert len(set(found)) == len(found) == 400
    assert all(1024 <= port < 65536 for port in found)
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


def test_none_is_given_meanwhile_to_who_connects_to_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "ip_local_port_range"
    told.write_text("32768\t60999\n")
    monkeypatch.setattr(ports, "GIVEN", told)
    assert all(LOWEST <= port < 32768 for port in free_ports(50))


@pytest.mark.parametrize("told", ["1024\t65000", f"{LOWEST + 20}\t60999", "", "all of them"])
def test_a_machine_that_leaves_none_gives_some_of_its_own(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(told)
    monkeypatch.setattr(ports, "GIVEN", tmp_path / "range")
    assert len(set(free_ports(50))) == 50
    monkeypatch.setattr(ports, "GIVEN", tmp_path / "nothing")
    assert len(set(free_ports(50))) == 50


@pytest.mark.contract
def test_a_port_that_is_taken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(f"{LOWEST + 30} 60999")
    monkeypatch.setattr(ports, "GIVEN", tmp_path / "range")
    taken = free_ports(1)[0]
    with socket.socket() as one:
        one.bind(("127.0.0.1", taken))
        assert not listens(taken)
        one.listen()
        assert listens(taken)
        for _ in range(20):
            assert taken not in free_ports(14)
