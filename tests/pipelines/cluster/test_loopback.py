"""The head of a training alone listens to this machine alone, in all its ports."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipelines.cluster.guard import guard_id_of
from pipelines.cluster.head import FOLDER, one_head, ray_address
from tests.worlds.listening import is_loopback, listening_addresses

pytestmark = [pytest.mark.contract, pytest.mark.full]


def test_all_ports_of_a_local_head_are_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metrics' ports come last: what listens is looked at until nothing more comes."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    with one_head(), ray_address(None) as address:
        guard = int(guard_id_of(Path(os.environ[FOLDER])).read_text())
        seen, quiet = listening_addresses(os.getsid(guard)), 0
        while quiet < 20:
            time.sleep(0.5)
            now = listening_addresses(os.getsid(guard))
            quiet = quiet + 1 if now <= seen else 0
            seen |= now
    assert int(address.rpartition(":")[2]) in {port for _, port in seen}
    assert len(seen) > 5, seen
    assert not [each for each in seen if not is_loopback(each[0])], seen
