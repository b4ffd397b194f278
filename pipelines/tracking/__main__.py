"""Sends MLflow what a training could not send, or opens MLflow's page.

    python -m pipelines.tracking OUTBOX         sends the rest of runs/RECIPE-KEY/outbox.jsonl
    python -m pipelines.tracking ui [--port N]  the page on 127.0.0.1, over the embedded database;
                                                prints the address of the runs, as charts

A training names its outbox when it ends. What was sent once is not sent again.
"""

from __future__ import annotations

import os
import socket
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from data.ground.refusal import refusal
from data.ground.spans import Span
from pipelines.host.command import Arguments, run_command, whole_number
from pipelines.store.settings import use_s3_settings
from pipelines.tracking.database import whole_database
from pipelines.tracking.delivery import TrackedRun
from pipelines.tracking.descriptions import describe_experiment
from pipelines.tracking.outbox import Outbox, Postman
from pipelines.tracking.server import (
    QUIET,
    SAFE,
    be_impatient,
    experiment_id,
    mlflow_client,
    told_address,
    tracking_settings,
    tracking_uri,
)
from pipelines.tracking.told import attempts

NAMED = "a training names its outbox when it ends: runs/RECIPE-KEY/outbox.jsonl"


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("tracking", __doc__)
    arguments.add_argument("what", help="path of an outbox, or `ui`")
    arguments.add_argument(
        "--port", type=whole_number(Span(1, 65_535)), default=5000, help="of the page (5000)"
    )
    return run_command(arguments, argv, send_or_show)


def send_or_show(options: Namespace) -> None:
    if options.what == "ui":
        open_page(tracking_uri(), options.port)
    else:
        send_outbox(Path(options.what))


def send_outbox(path: Path) -> None:
    """Sends what a training left unsent; raises ValueError where that does not work."""
    if not path.is_file():
        raise refusal(path, fault="no such file", do=NAMED)
    if not attempts(path):  # asked before the file is touched: it may be anything
        raise refusal(path, fault="no outbox of a training, and left as it is", do=NAMED)
    outbox = Outbox(path)
    postman = Postman(outbox, TrackedRun(outbox).connect)
    be_impatient()
    try:
        postman.deliver_all()
    except Exception as error:
        raise refusal(path, fault=f"not sent, the rest stays there: {error}") from error
    finally:
        outbox.release()
    print(f"sent: run {postman.run_id}")


def open_page(uri: str, port: int) -> None:
    """Turns this process into MLflow's server; of a server elsewhere, says where its page is."""
    if uri.startswith("http"):
        print(f"the MLflow page is {told_address(uri)}")
        return
    refuse_taken(port)
    whole_database(uri)
    use_s3_settings()
    os.environ.update(QUIET | SAFE, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    print(f"MLflow page: http://127.0.0.1:{port}/{runs_page(uri)}  (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execv(sys.executable, command)


def runs_page(uri: str) -> str:
    """Where on MLflow's page the runs are, as charts: its front page tells of other things."""
    client = mlflow_client(uri)
    name = tracking_settings().get("experiment") or "limber"
    number = experiment_id(client, name, uri)
    describe_experiment(client, number)
    view = "workflowType=machine_learning&compareRunsMode=CHART"
    return f"#/experiments/{number}/runs?{view}"


def refuse_taken(port: int) -> None:
    """Raises ValueError for a port that somebody listens on, or that this user may not take."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            fault = f"cannot be used ({error})"
            raise refusal(
                f"port {port}", fault=fault, do="choose another: make ui PORT=5001"
            ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
