"""What is loaded with the menus: every loader process and every command has it in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.worlds.here import ROOT

HEAVY = ("numba", "scipy.optimize", "matplotlib", "mlflow", "pandas", "ray")


@pytest.mark.contract
def test_who_only_draws_targets_loads_no_compiler() -> None:
    code = f"import sys, data.menus; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
