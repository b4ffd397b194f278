"""An environment in which nothing leads to this repository."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def elsewhere() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LIMBER", "MLFLOW"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    safe = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # serving calls uvicorn
    return kept | quiet | safe | path
