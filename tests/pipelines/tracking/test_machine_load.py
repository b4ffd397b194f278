"""The machine's load: names of MLflow's system metrics, once more at the end, steps in seconds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from pipelines.tracking.machine_load import MachineLoad, machine_load
from pipelines.tracking.outbox import Outbox

pytestmark = pytest.mark.contract  # a GPU is asked for its load by a process
HOURS = 3600.0


def test_processor_and_memory_are_told_under_mlflows_names() -> None:
    load = machine_load()
    names = {name for name in load if not name.startswith("system/gpu_")}
    assert names == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
    }
    assert all(math.isfinite(value) and value >= 0 for value in load.values())
    assert 0 < load["system/system_memory_usage_percentage"] <= 100
    assert load["system/system_memory_usage_megabytes"] > 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="cards alone are asked")
def test_a_card_tells_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A player in nvidia-smi's place: two cards, one of which does not tell its power."""
    played = tmp_path / "nvidia-smi"
    played.write_text("#!/bin/sh\necho '50, 2048, 75.5'\necho '0, 16, [N/A]'\n")
    played.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    cards = {name: value for name, value in machine_load().items() if "gpu_" in name}
    assert cards == {
        "system/gpu_0_utilization_percentage": 50.0,
        "system/gpu_0_memory_usage_megabytes": 2048.0,
        "system/gpu_0_power_usage_watts": 75.5,
        "system/gpu_1_utilization_percentage": 0.0,
        "system/gpu_1_memory_usage_megabytes": 16.0,
    }


def test_a_short_training_tells_its_load_once_at_its_end(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    load = MachineLoad(outbox, seconds=24 * HOURS)
    load.start()
    load.end()
    load.end()
    load.join(60)
    assert not load.is_alive(), "the end does not wait for the next time"
    (record,) = [record for record, _ in outbox.records()]
    assert record["kind"] == "system" and set(record["metrics"]) >= set(machine_load())


def test_steps_are_seconds_since_the_first_attempt_began(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_text(json.dumps({"kind": "open", "time": 1000.0}) + "\n")
    outbox = Outbox(path)
    outbox.append("open")  # a later attempt
    MachineLoad(outbox).end()
    *_, (record, _) = outbox.records()
    assert record["kind"] == "system"
    assert abs(record["step"] - (record["time"] - 1000.0)) < HOURS
