"""Processor, memory and GPU load of this machine, into an outbox."""

from __future__ import annotations

import subprocess
import threading
import time

import psutil
import torch

from pipelines.tracking.outbox import Outbox

SYSTEM_SECONDS = 10.0
GPU_QUERY = ("utilization.gpu", "memory.used", "power.draw")
GPU_NAMES = ("utilization_percentage", "memory_usage_megabytes", "power_usage_watts")


class MachineLoad(threading.Thread):
    """Writes processor, memory and GPU load to the outbox every ten seconds and at the end."""

    def __init__(self, outbox: Outbox, seconds: float = SYSTEM_SECONDS) -> None:
        super().__init__(name="machine-load", daemon=True)
        self._outbox, self._seconds = outbox, seconds
        self._ending = threading.Event()
        self._began = outbox.began()

    def run(self) -> None:
        while not self._ending.wait(self._seconds):
            self._write()

    def end(self) -> None:
        if not self._ending.is_set():
            self._ending.set()
            self._write()

    def _write(self) -> None:
        step = int(time.time() - self._began)
        self._outbox.append("system", step=step, metrics=machine_load())


def machine_load() -> dict[str, float]:
    """Load of this machine, under the names of MLflow's system metrics."""
    memory = psutil.virtual_memory()
    load = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 1e6,
        "system/system_memory_usage_percentage": memory.percent,
    }
    return load | (_gpu_load() if torch.cuda.is_available() else {})


def _gpu_load() -> dict[str, float]:
    query = f"--query-gpu={','.join(GPU_QUERY)}"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    load: dict[str, float] = {}
    for index, line in enumerate(done.stdout.splitlines()):
        for name, text in zip(GPU_NAMES, line.split(","), strict=False):
            try:
                load[f"system/gpu_{index}_{name}"] = float(text)
            except ValueError:  # "[N/A]": this card does not tell
                continue
    return load
