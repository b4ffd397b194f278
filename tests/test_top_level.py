"""The checkout's own `mlflow/` beside the package of that name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.worlds.here import ROOT


def test_nothing_in_mlflow_can_be_imported() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


@pytest.mark.contract
def test_the_package_is_what_a_command_in_the_checkout_imports() -> None:
    script = "import mlflow; print(mlflow.__version__, hasattr(mlflow, 'MlflowClient'))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1] == "True"
