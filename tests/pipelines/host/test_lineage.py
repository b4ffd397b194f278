"""What a run was made from: a submitted job is told its commit, packages that are there count."""

from __future__ import annotations

import platform

import pytest
import torch

from pipelines.host.lineage import git_commit, versions


def test_a_submitted_job_is_told_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456-dirty")
    assert git_commit() == "0123456-dirty"


def test_versions_are_those_that_run() -> None:
    told = versions()
    assert told["python"] == platform.python_version()
    assert told["torch"] == torch.__version__ and {"ray", "mlflow", "numpy"} <= set(told)
