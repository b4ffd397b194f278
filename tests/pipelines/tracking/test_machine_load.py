"""Load under the names of MLflow's system metrics: of the machine, a process, its cards."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from pipelines.tracking.machine_load import MB, MIB, NodeLoad, ProcessLoad, cards, named


def test_processor_memory_and_network_are_told_under_mlflows_names() -> None:
    load = NodeLoad().read()
    assert set(load) == {
        "cpu_utilization_percentage",
        "system_memory_usage_megabytes",
        "system_memory_usage_percentage",
        "network_receive_megabytes",
        "network_transmit_megabytes",
    }
    assert all(math.isfinite(value) and value >= 0 for value in load.values())
    assert 0 < load["system_memory_usage_percentage"] <= 100
    assert load["system_memory_usage_megabytes"] > 10


def test_a_process_tells_what_it_took_since_it_was_asked_last() -> None:
    load = ProcessLoad()
    before = os.times()
    while os.times().user - before.user < 0.2:
        sum(range(10_000))
    told = load.read()
    assert told["process_cpu_utilization_percentage"] > 0
    assert told["process_memory_usage_megabytes"] > 10


@pytest.mark.contract
def test_cards_tell_what_they_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A player in nvidia-smi's place: two cards, one of which does not tell its power."""
    played = tmp_path / "nvidia-smi"
    played.write_text(
        "#!/bin/sh\n"
        "echo 'GPU-aa, 50, 2048, 8192, 75.5, 350.00'\n"
        "echo 'GPU-bb, 0, 16, 8192, [N/A], [N/A]'\n"
        "echo 'a warning of the driver'\n"
    )
    played.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    first, second = cards()
    assert first.uuid == "GPU-aa" and first.load("gpu_0") == {
        "gpu_0_utilization_percentage": 50.0,
        "gpu_0_memory_usage_megabytes": 2048 * MIB / MB,
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_power_usage_watts": 75.5,
        "gpu_0_power_usage_percentage": pytest.approx(100 * 75.5 / 350),
    }
    assert set(second.load("gpu")) == {
        "gpu_utilization_percentage",
        "gpu_memory_usage_megabytes",
        "gpu_memory_usage_percentage",
    }
    played.write_text("#!/bin/sh\necho 'no driver' >&2; exit 9\n")
    assert cards() == []


def test_names_say_whose_load_it_is() -> None:
    assert named({"a": 1.0}) == {"system/a": 1.0}
    assert named({"a": 1.0}, "rank_3") == {"system/rank_3/a": 1.0}
