"""What trainings told, read without being in their way: attempts in an outbox, tags of runs."""

from __future__ import annotations

import os
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.tracking.database import database_file
from pipelines.tracking.outbox import HEADER, first_line
from pipelines.tracking.sealed import Record, whole_records
from pipelines.tracking.server import mlflow_client, tracking_uri


def attempts(outbox: Path) -> list[Record]:
    """What each attempt said of itself when it began, oldest first; damaged lines left out."""
    told = whole_records(outbox.read_bytes()) if outbox.is_file() else ()
    return [each for each in told if each["kind"] == "open" and each.keys() >= HEADER]


def run_tags(run_id: str) -> dict[str, str]:
    """Of a run in MLflow. Raises ValueError where none answers, or knows it; makes no database."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    uri = tracking_uri()
    file = database_file(uri)
    if file is not None and not file.is_file():
        raise refusal(file, fault="no database is here")
    try:
        return dict(mlflow_client(uri).get_run(run_id).data.tags)
    except ValueError:
        raise
    except Exception as error:
        raise refusal(uri, fault=f"does not tell of run {run_id} ({first_line(error)})") from error
