"""What can be wrong with MLflow's server or database, and what it was not told yet."""

from __future__ import annotations

import base64
import importlib.metadata
import os
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pipelines.host import places
from pipelines.host.checkup import OK, WARNING, WRONG, Check, Finding
from pipelines.host.progress import told_names
from pipelines.tracking.database import database_file, refuse_half_made
from pipelines.tracking.outbox import POSITION_SUFFIX
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.tracking.sealed import read_position
from pipelines.tracking.server import tracking_uri

ANSWER_S = 8.0
LISTED = 3  # outboxes in a line
USER, PASSWORD, TOKEN = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
START = "start it, or change tracking.uri in params.yaml (null: a database in this folder)"
LOG_IN = f"export {USER}=... {PASSWORD}=..."
ALLOW = "give its server that name: MLFLOW_SERVER_ALLOWED_HOSTS (mlflow/README.md)"


def server() -> Finding:
    """Raises ValueError for an address of another kind, and for a database that is not whole."""
    uri = tracking_uri()
    file = database_file(uri)
    if file is not None:
        refuse_half_made(uri)
        said = f"{file}" if file.is_file() else f"{file}, made by the first training"
        return Finding("tracking", OK, f"database {said}")
    if not uri.startswith("http"):
        return Finding("tracking", OK, f"{uri.partition(':')[0]} database (not asked)")
    return ask(uri.rstrip("/"))


def ask(uri: str, answer_s: float = ANSWER_S) -> Finding:
    """An MLflow server: whether it answers, lets us in, and is of our version."""
    ours = importlib.metadata.version("mlflow")
    try:
        with urlopen(_request(f"{uri}/version"), timeout=answer_s) as answer:
            theirs = answer.read(100).decode(errors="replace").strip()
        path = "/api/2.0/mlflow/experiments/search?max_results=1"
        with urlopen(_request(f"{uri}{path}"), timeout=answer_s):
            pass
    except HTTPError as error:
        do = {401: LOG_IN, 403: ALLOW}.get(error.code, START)
        fault = f"{uri} answers {error.code} {error.reason}"
        return Finding("tracking", WRONG, fault, do)
    except (URLError, HTTPException, OSError, ValueError) as error:
        why = error.reason if isinstance(error, URLError) else error
        return Finding("tracking", WRONG, f"{uri} does not answer ({why})", START)
    if theirs != ours:
        do = f"give both one version: python -m pip install mlflow=={ours}, at the server"
        return Finding("tracking", WARNING, f"{uri} runs MLflow {theirs}, here is {ours}", do)
    return Finding("tracking", OK, f"{uri} answers, MLflow {theirs}")


def _request(address: str) -> Request:
    """With what MLflow's client would log in by."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    user = os.environ.get(USER) or parts.username or ""
    password = os.environ.get(PASSWORD) or parts.password or ""
    request = Request(parts._replace(netloc=host).geturl())
    if token := os.environ.get(TOKEN):
        request.add_header("Authorization", f"Bearer {token}")
    elif user:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    return request


def unsent() -> Finding:
    """Trainings whose outbox holds more than MLflow was sent; those that run now are among them."""
    waiting = []
    for outbox in sorted(places.runs().glob(f"*/{OUTBOX_NAME}")):
        sent = outbox.with_suffix(POSITION_SUFFIX)
        if read_position(sent, outbox)[1] < outbox.stat().st_size:
            waiting.append(outbox)
    if not waiting:
        return Finding("told MLflow", OK, "all that trainings told")
    named = told_names([path.parent.name for path in waiting], LISTED)
    do = f"python -m pipelines.tracking {waiting[0]}"
    said = f"not all of {named} (or still training)"
    return Finding("told MLflow", WARNING, said, do)


CHECKS = (Check("tracking", server), Check("told MLflow", unsent))
