"""Where MLflow is, and its client: telemetry off, no connection opened before one is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from data.ground.refusal import masked, refusal
from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.store.settings import use_s3_settings
from pipelines.tracking.database import artifact_root, database_file, whole_database

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
SAFE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}  # nothing of Limber's is a pickle
MASK = "***@"  # as `masked` leaves it
# while a training runs, the postman comes again by itself
EMPTY = "0"  # MLflow makes an experiment of its own first
IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def be_impatient() -> None:
    """MLflow's client of this process is quiet and gives up soon, where the user sets no other."""
    be_quiet_and_safe()
    for key, value in IMPATIENT.items():
        os.environ.setdefault(key, value)


def be_quiet_and_safe() -> None:
    """MLflow says little here, where the user sets no other, and loads no pickle, whatever he sets;
    what this process starts has that too."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    os.environ.update(SAFE)


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


def told_address(uri: str) -> str:
    """An address as files, tags and lines hold it: without its password."""
    return masked(uri)


def address_of(told: str | None) -> str:
    """The address that was told so: this checkout's own, password and all, where it is the same.

    None: of whoever asks. Else it is as it was told, and its password is to come from
    MLFLOW_TRACKING_PASSWORD.
    """
    if told is None:
        return tracking_uri()
    if MASK not in told:
        return told
    ours = tracking_uri()
    return ours if told_address(ours) == told else re.sub(r"(//)\*{3}@|:\*{3}(@)", r"\1\2", told)


def mlflow_client(uri: str | None = None) -> MlflowClient:
    """MLflow's client for runs and registry, telemetry off; an embedded database is made here.

    Raises ValueError for one that was left half made.
    """
    be_quiet_and_safe()
    use_s3_settings()  # artifacts may lie there
    where = tracking_uri(uri)
    whole_database(where)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=where, registry_uri=where)


def use_server(uri: str) -> None:
    """MLflow's functions that take no client ask there too, not a database in this folder."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)


@contextmanager
def answers_in_words(uri: str) -> Iterator[None]:
    """What MLflow will not do, as one line: a ValueError that says where."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        fault = f"MLflow refuses ({' '.join(str(error).split())[:300]})"
        do = "look at its page (`make ui`) and run the same command again"
        raise refusal(uri, fault=fault, do=do) from error


def experiment_id(client: MlflowClient, name: str, uri: str) -> str:
    """Id of the experiment, made if need be (beside the database: artifacts in `mlartifacts`).

    One that was deleted is taken back: MLflow keeps its name, and lets nobody write to it.
    """
    from mlflow.exceptions import MlflowException

    if experiment := client.get_experiment_by_name(name):
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)
    database = database_file(uri)
    location = artifact_root(database) if database else None
    try:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the page opens on its runs
        made = str(client.create_experiment(name, artifact_location=location, tags=kind))
        if database and not client.search_runs([EMPTY], max_results=1):
            client.delete_experiment(EMPTY)  # MLflow's own `Default`, which nothing here writes to
        return made
    except MlflowException:  # another training made it in between
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        raise


def tracking_settings() -> dict[str, Any]:
    return dict(load_params().get("tracking") or {})
