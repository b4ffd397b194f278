"""The stage inside an experiment of DVC: it registers nothing, and leaves what DVC looks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.host import places
from pipelines.registry.ledger import Ledger


@pytest.mark.parametrize("slots", [{}, {"pose-coco": {"champion": "3"}}])
def test_an_experiment_registers_nothing(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    slots: dict[str, dict[str, str]],
) -> None:
    Ledger(places.promotion()).set_slots(slots)
    if not slots:
        places.promotion().unlink()
    monkeypatch.setenv("DVC_EXP_NAME", "tall-boat")
    assert promote.main([]) == 0
    told = capsys.readouterr().out
    assert "tall-boat: an experiment, nothing is registered; `dvc exp apply tall-boat`, " in told
    shown = json.loads(places.promotion().read_text())
    assert (shown["slots"], shown["decisions"]) == (slots, [])
    assert not places.promotion_journal().exists()
    assert not places.tracking_database().exists()
