"""What trainings told, read without being in their way: outboxes of this checkout, tags of runs."""

from __future__ import annotations

import os
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.tracking.database import database_file
from pipelines.tracking.outbox import HEADER, POSITION_SUFFIX, first_line
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.tracking.sealed import Record, read_position, whole_records
from pipelines.tracking.server import mlflow_client, tracking_uri


def attempts(outbox: Path) -> list[Record]:
    """What each attempt said of itself when it began, oldest first; damaged lines left out."""
    told = whole_records(outbox.read_bytes()) if outbox.is_file() else ()
    return [each for each in told if each["kind"] == "open" and each.keys() >= HEADER]


def outbox_of_run(run_id: str) -> Path | None:
    """The outbox here that was sent to that run."""
    for outbox in sorted(places.runs().glob(f"*/{OUTBOX_NAME}")):
        if run_of_outbox(outbox) == run_id:
            return outbox
    return None


def run_of_outbox(outbox: Path) -> str:
    """The run that it was sent to; "" where it never was, or nobody knows."""
    address, _ = read_position(outbox.with_suffix(POSITION_SUFFIX), outbox)
    return address.rpartition(" ")[2]


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
