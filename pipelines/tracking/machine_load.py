"""What a machine and a process of a training take now, under the names of MLflow's system metrics.

MLflow's own monitor asks its server before each value and ends for good where none answers, so it
cannot stand before an outbox; nor does it tell a rank's card from its neighbours'.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

MIB, MB = 1 << 20, 1e6
CARD_S = 3.0  # for the driver to answer
QUERY = (
    "uuid", "utilization.gpu", "memory.used", "memory.total", "power.draw", "power.limit",
)  # fmt: skip
CHILDREN_S = 60.0  # between two looks for a process's children, which reads all of the machine's


@dataclass(frozen=True)
class Card:
    """A GPU by its driver's id; NaN where it does not tell."""

    uuid: str
    utilization_percentage: float
    memory_mib: float
    memory_total_mib: float
    power_watts: float
    power_limit_watts: float

    def load(self, prefix: str) -> dict[str, float]:
        """`gpu_0` -> {"gpu_0_utilization_percentage": ...}; what it does not tell is left out."""
        told = {
            "utilization_percentage": self.utilization_percentage,
            "memory_usage_megabytes": self.memory_mib * MIB / MB,
            "memory_usage_percentage": 100 * self.memory_mib / (self.memory_total_mib or 1.0),
            "power_usage_watts": self.power_watts,
            "power_usage_percentage": 100 * self.power_watts / (self.power_limit_watts or 1.0),
        }
        return {f"{prefix}_{key}": value for key, value in told.items() if value == value}


def cards(answer_s: float = CARD_S) -> list[Card]:
    """Those of this machine, in the driver's order; none where it has no driver or stays silent."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=answer_s)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return [Card(row[0], *map(_number, row[1:])) for row in rows if len(row) == len(QUERY)]


def _number(text: str) -> float:
    """NaN for `[N/A]` and its like."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


class NodeLoad:
    """Of this machine, between one `read` and the next; network since it was made."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first answer is of no time at all
        self._network = psutil.net_io_counters()

    def read(self) -> dict[str, float]:
        memory, network = psutil.virtual_memory(), psutil.net_io_counters()
        load = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MB,
            "system_memory_usage_percentage": memory.percent,
        }
        if network is not None and self._network is not None:  # a container may have none
            received = network.bytes_recv - self._network.bytes_recv
            sent = network.bytes_sent - self._network.bytes_sent
            load["network_receive_megabytes"] = received / MB
            load["network_transmit_megabytes"] = sent / MB
        return load


class ProcessLoad:
    """Of this process and its children (loader processes), between one `read` and the next."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._looked = 0.0
        self._seconds, self._at = self._cpu_seconds(), time.monotonic()

    def read(self) -> dict[str, float]:
        """100 % of processor: one core."""
        now = time.monotonic()
        if now - self._looked >= CHILDREN_S:
            self._looked = now
            known = {each.pid for each in self._children}
            self._children = self._process.children(recursive=True)
            new = [each for each in self._children if each.pid not in known]
            self._seconds += sum(map(_seconds, new))  # what they took before is not of this time
        seconds, before = self._cpu_seconds(), self._seconds
        share = 100 * max(seconds - before, 0.0) / max(now - self._at, 1e-9)
        self._seconds, self._at = seconds, now
        memory = sum(map(_resident, [self._process, *self._children]))
        return {
            "process_cpu_utilization_percentage": share,
            "process_memory_usage_megabytes": memory / MB,
        }

    def _cpu_seconds(self) -> float:
        return sum(map(_seconds, [self._process, *self._children]))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended
        return 0.0
    return float(times.user + times.system)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def named(load: Mapping[str, float], *places: str) -> dict[str, float]:
    """`named({"a": 1.0}, "rank_0")` -> {"system/rank_0/a": 1.0}."""
    return {"/".join(("system", *places, key)): value for key, value in load.items()}
