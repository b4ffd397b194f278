"""What a run was made from: git commit, versions of what it ran on, host. Knows no tracker."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import subprocess

import torch

from pipelines.host.places import REPOSITORY

PACKAGES = ("torch", "ray", "mlflow", "numpy", "opencv-python-headless")


def git_commit() -> str:
    """Commit of the code, `-dirty` behind it where files differ; "" where nothing tells.

    `$LIMBER_GIT_COMMIT` wins: a packaged copy in a Ray job has no git folder of its own.
    """
    if submitted := os.environ.get("LIMBER_GIT_COMMIT"):
        return submitted
    commit = _git("rev-parse", "HEAD")
    return f"{commit}-dirty" if commit and _git("status", "--porcelain", "-uno") else commit


def has_commit(commit: str) -> bool:
    """Whether this repository holds it."""
    return bool(_git("cat-file", "-t", f"{commit}^{{commit}}"))


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide a result, by name."""
    by_name = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            by_name[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return by_name


def host() -> dict[str, str]:
    """Name of this machine and of what it computes on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"host": socket.gethostname(), "device": device}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
