"""What a training takes and costs, told beside it: by node and rank, means and sums."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from pipelines.host.progress import Pace, ProgressLine
from pipelines.tracking.machine_load import Card
from pipelines.training.load import Look, Sums, load_told, read_look, who_is_where
from pipelines.training.rank import Rank

HOUR = 3600.0


class Heard:
    """A log that remembers, and says when it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, float], dict[str, float]]] = []
        self.tags: dict[str, str] = {}
        self.loud = threading.Event()

    def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None:
        self.told.append((dict(metrics), dict(spent)))
        self.loud.set()

    def age(self) -> float:
        return 0.0

    def tag(self, name: str, value: str) -> None:
        self.tags[name] = value


def card(uuid: str, percent: float, watts: float) -> Card:
    return Card(f"GPU-{uuid}", percent, 1000.0, 8000.0, watts, 400.0)


def looks(percent: float, watts: float = 300.0, at: float = 1.0) -> dict[int, Look]:
    """Of three ranks on two nodes, the second of which has a card that nobody trains on."""
    first = [card("a", percent, watts), card("b", percent + 1, watts)]
    second = [card("idle", 0.0, 20.0), card("c", percent + 2, watts)]
    return {
        0: Look(at, {"process_cpu": 10.0}, "a", {"cpu": percent}, first),
        1: Look(at, {"process_cpu": 20.0}, "b"),
        2: Look(at, {"process_cpu": 30.0}, "c", {"cpu": 2 * percent}, second),
    }


def test_load_is_told_by_node_and_by_rank_with_its_own_card() -> None:
    sums = Sums(["one", "one", "two"], gpu=True)
    sums.add(looks(40.0, at=1.0))
    sums.add(looks(60.0, at=2.0))
    means, _ = sums.take()
    assert means["system/cpu"] == 50.0 and means["system/node_1/cpu"] == 100.0
    assert [means[f"system/rank_{n}/process_cpu"] for n in range(3)] == [10.0, 20.0, 30.0]
    own = [means[f"system/rank_{n}/gpu_utilization_percentage"] for n in range(3)]
    assert own == [50.0, 51.0, 52.0]
    assert means["system/gpu_1_utilization_percentage"] == 51.0
    assert means["system/node_1/gpu_0_utilization_percentage"] == 0.0  # nobody's
    assert means["system/rank_2/gpu_power_usage_percentage"] == 75.0
    assert sums.take()[0] == {}


def test_a_rank_that_is_silent_is_not_told_again() -> None:
    sums = Sums(["one", "one", "two"], gpu=True)
    sums.add(looks(40.0))
    sums.take()
    sums.add(looks(40.0) | {0: looks(80.0, at=2.0)[0]})
    means, _ = sums.take()
    assert means["system/cpu"] == 80.0
    assert not [name for name in means if "rank_1" in name or "rank_2" in name or "node_1" in name]


@pytest.mark.parametrize(("watts", "energy"), [(300.0, 0.9), (float("nan"), None)])
def test_hours_and_energy_add_up(watts: float, energy: float | None) -> None:
    """Three cards of 300 W for an hour: 0.9 kWh; not told where one card does not tell."""
    now = [0.0]
    sums = Sums(["one", "one", "two"], gpu=True, now=lambda: now[0])
    for hour in (0.25, 1.0):
        now[0] = hour * HOUR
        sums.add(looks(40.0, watts, at=hour))
    _, spent = sums.take()
    assert spent["gpu_hours"] == spent["worker_hours"] == pytest.approx(3.0)
    assert spent.get("energy_kwh") == (energy and pytest.approx(energy))
    on_cpu = Sums(["one"], gpu=False, now=lambda: now[0])
    now[0] += HOUR
    on_cpu.add({0: Look(1.0, {}, "")})
    assert on_cpu.take()[1] == {"worker_hours": pytest.approx(1.0)}


def test_what_a_rank_says_comes_back_from_the_board() -> None:
    for look in looks(40.0).values():
        assert read_look(asdict(look)) == look


def test_a_training_is_told_of_while_it_runs_and_at_its_end() -> None:
    log, pace = Heard(), Pace()
    line = ProgressLine("small", 2, 10, 32)
    with load_told(Rank(), log, look_s=0.01):
        pace.steps = 4
        line.show(0, 4, pace, lambda: 1.0)
        assert log.loud.wait(60)
    metrics, spent = log.told[-1]
    assert metrics["system/rank_0/process_memory_usage_megabytes"] > 10
    assert "system/cpu_utilization_percentage" in metrics and spent["worker_hours"] > 0
    paces = [told for told, _ in log.told if "pace/eta_hours" in told]
    assert len(paces) == 1, "told once, as nothing moved since"
    rate = paces[0]["pace/samples_per_second"] / 32
    assert rate * paces[0]["pace/eta_hours"] * HOUR == pytest.approx(16)
    assert log.tags["nodes"].endswith(": rank 0")
    assert not [t for t in threading.enumerate() if t.name == "load"]


def test_a_training_whose_log_fails_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(Heard):
        def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None:
            self.loud.set()
            raise OSError(28, "No space left on device")

    log = Full()
    with load_told(Rank(), log, look_s=0.01):
        assert log.loud.wait(60)
    assert "No space left" in capsys.readouterr().err


def test_who_is_where_is_told_in_words() -> None:
    assert who_is_where(["a", "a", "b"]) == "a: rank 0, 1; b: rank 2"
