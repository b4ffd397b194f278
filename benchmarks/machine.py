"""What measurements are had on: the processor, the memory, the versions of what decides speed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = (
    "torch", "numpy", "opencv-python-headless", "albumentations", "onnxruntime", "openvino", "ray",
    "mlflow", "dvc",
)  # fmt: skip


def cpu_model(told: Path = Path("/proc/cpuinfo")) -> str:
    """As the kernel calls it; where it tells none, its kind."""
    lines = told.read_text().splitlines() if told.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def machine() -> str:
    """`Intel(R) Xeon(R) ..., 2 of 8 cores, 23.5 GiB`: what a process of ours may use."""
    usable, all_cores = len(os.sched_getaffinity(0)), os.cpu_count()
    cores = f"{usable} cores" if usable == all_cores else f"{usable} of {all_cores} cores"
    return f"{cpu_model()}, {cores}, {psutil.virtual_memory().total / 2**30:.1f} GiB"


def versions(packages: Sequence[str] = PACKAGES) -> str:
    """`Python 3.11.9, torch 2.13.0, ...` of those that are installed."""
    told = [f"Python {platform.python_version()}"]
    for name in packages:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(told)


def commit(folder: Path) -> str:
    """`061283c`, `061283c with changes`; where git does not know the folder: `none`."""
    asked = [
        subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
    ]
    if asked[0].returncode:
        return "none"
    return asked[0].stdout.strip() + (" with changes" if asked[1].stdout.strip() else "")
