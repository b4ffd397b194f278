"""Where MLflow is, and its client: telemetry off, no connection opened before one is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.recipe.params import load_params

if TYPE_CHECKING:
    from mlflow import MlflowClient

ACCEPTED = "http://, https://, sqlite:///, postgresql://, mysql://"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# while a training runs, the postman comes again by itself
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def be_impatient() -> None:
    """MLflow's client of this process is quiet and gives up soon, where the user sets no other."""
    for key, value in {**QUIET, **IMPATIENT}.items():
        os.environ.setdefault(key, value)


def tracking_uri(uri: str | None = None) -> str:
    """Where MLflow is: `uri`, params.yaml `tracking.uri`, $MLFLOW_TRACKING_URI, else sqlite.

    Raises ValueError for an address of a kind that MLflow does not accept.
    """
    uri = uri or tracking_settings().get("uri") or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return f"sqlite:///{places.tracking_database()}"
    if not re.match(r"(https?|sqlite|postgresql|mysql)(\+\w+)?://", uri):
        raise refusal(
            "params.yaml: tracking.uri (or $MLFLOW_TRACKING_URI)",
            given=uri,
            accepted=ACCEPTED,
            do="leave it null for a database in this folder (MLflow no longer takes folders)",
        )
    return str(uri)


def mlflow_client(uri: str | None = None) -> MlflowClient:
    """MLflow's client for runs and registry, telemetry off; opens no connection yet."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    from mlflow import MlflowClient

    where = tracking_uri(uri)
    return MlflowClient(tracking_uri=where, registry_uri=where)


def experiment_id(client: MlflowClient, name: str, uri: str) -> str:
    """Id of the experiment, made if need be (beside the database: artifacts in `mlartifacts`)."""
    from mlflow.exceptions import MlflowException

    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    database = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    location = (database.parent / "mlartifacts").resolve().as_uri() if database else None
    try:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the page opens on its runs
        return str(client.create_experiment(name, artifact_location=location, tags=kind))
    except MlflowException:  # another training made it in between
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise


def tracking_settings() -> dict[str, Any]:
    return dict(load_params().get("tracking") or {})
