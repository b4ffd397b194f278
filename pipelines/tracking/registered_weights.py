"""Weights that MLflow keeps, as the start of another training: by alias, version or run."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.tracking.outbox import first_line
from pipelines.tracking.server import mlflow_client, tracking_uri, use_server
from pipelines.tracking.version_digests import check_files

if TYPE_CHECKING:
    from mlflow import MlflowClient

OF_VERSION = re.compile(r"models:/(?P<name>[^/]+)/(?P<number>\d+)/(?P<part>.+)")
REGISTERED = ("models:/", "runs:/")  # how an address of what MLflow keeps begins


def bring_weights(address: str, target: Path) -> str:
    """The weights of a registered model, brought to `target`; the address that will not move.

    address: models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN (what was registered of it) or
    runs:/RUN/PATH (any file of it). Raises ValueError where there is none, where it is not what
    was registered, or no server answers.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    uri, client = tracking_uri(), mlflow_client()
    use_server(uri)
    try:
        exact = exact_address(client, address)
        with tempfile.TemporaryDirectory() as folder:
            got = mlflow.artifacts.download_artifacts(
                artifact_uri=exact, dst_path=folder, tracking_uri=uri, registry_uri=uri
            )
            if told := OF_VERSION.fullmatch(exact):
                tags = client.get_model_version(told["name"], told["number"]).tags
                check_files(tags, address, Path(got), told["part"])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(got, target)
    except (MlflowException, OSError) as error:
        raise refusal(
            address,
            fault=f"not found at {uri} ({first_line(error)})",
            accepted="models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN of what "
            "`python -m pipelines.promote` registered, runs:/RUN/PATH of another file",
            do="`python -m pipelines.promote --list` says who is champion of what",
        ) from error
    return exact


def exact_address(client: MlflowClient, address: str) -> str:
    """The file that an address means now: its version, or its model, instead of an alias or run."""
    kind, _, rest = address.partition(":/")
    name, _, path = rest.strip("/").partition("/")
    if kind == "models":
        model, _, alias = name.partition("@")
        version = client.get_model_version_by_alias(model, alias).version if alias else path
        return f"models:/{model}/{version}/artifacts/{places.MODEL_WEIGHTS}"
    if path:
        return f"runs:/{name}/{path}"
    where = [client.get_run(name).info.experiment_id]
    logged = client.search_logged_models(where, filter_string=f"source_run_id = '{name}'")
    posed = next((model for model in logged if model.model_type == "pose"), None)
    if posed is None:
        raise refusal(
            address,
            fault="nothing of this run is registered",
            do="`python -m pipelines.promote`, or name a file of it: runs:/RUN/PATH",
        )
    return f"{posed.artifact_location}/artifacts/{places.MODEL_WEIGHTS}"
