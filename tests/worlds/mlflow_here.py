"""MLflow's server in a thread of this process, on a database in a folder."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache
from pathlib import Path

from pipelines.tracking.database import make_tables


def fill(folder: Path) -> None:
    """What a server begins with."""
    make_tables(folder / "mlflow.db", (folder / "files").as_uri())


def mlflow_here(folder: Path) -> str:
    """Address of the one server of this process; it ends with it. folder: as `fill` left it."""
    told = {
        "FILE_STORE": f"sqlite:///{folder / 'mlflow.db'}",
        "ARTIFACT_ROOT": "mlflow-artifacts:/",
        "ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "SERVE_ARTIFACTS": "true",
    }
    os.environ.update({f"_MLFLOW_SERVER_{name}": value for name, value in told.items()})
    return _served()


@cache
def _served() -> str:
    from mlflow.server import app
    from mlflow.server.handlers import _get_artifact_repo_mlflow_artifacts, _get_tracking_store
    from werkzeug.serving import make_server

    _get_tracking_store()  # both are made once, of what the environment says now
    _get_artifact_repo_mlflow_artifacts()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, name="mlflow", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
