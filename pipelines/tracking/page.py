"""The MLflow page: turns this process into MLflow's server over the embedded database."""

from __future__ import annotations

import os
import socket
import sys


def open_page(uri: str, port: int, quiet: dict[str, str]) -> None:
    """Does not return for a database; raises ValueError for a port that is taken."""
    if uri.startswith("http"):
        print(f"the MLflow page is {uri}")
        return
    refuse_taken(port)
    os.environ.update(quiet, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    print(f"MLflow page: http://127.0.0.1:{port}  (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, command)


def refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} cannot be used ({error.strerror}); choose another: make ui PORT=5001"
            ) from error
