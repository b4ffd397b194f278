"""Registered models' files to MLflow and back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.tracking.delivery import living_run
from pipelines.tracking.outbox import first_line
from pipelines.tracking.run_log import metric_name
from pipelines.tracking.server import use_server
from pipelines.tracking.version_digests import FILES_TAG, REPAIR, check_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

NO_STEP = -1  # MLflow would double the curve's points at a model's step


def log_registered(
    uri: str,
    run_id: str,
    name: str,
    metrics: dict[str, float],
    files: dict[str, str],
    needs: list[str],
    example: list[dict[str, object]] | None = None,
) -> tuple[str, str]:
    """Logs pipelines/serving/pose_model.py with its files to a run: (model id, address).

    Code and plain files only: no pickle, no `code_paths`.
    """
    import mlflow
    from mlflow.models import Model

    use_server(uri)
    # else the files would go to the default experiment, below the working directory
    mlflow.set_experiment(experiment_id=mlflow.get_run(run_id).info.experiment_id)
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # a hint at types that it has
    code = places.REPOSITORY / "pipelines" / "serving" / "pose_model.py"
    info = Model.log(
        None,
        mlflow.pyfunc,
        name=name,
        run_id=run_id,
        step=NO_STEP,
        model_type="pose",
        python_model=str(code),
        artifacts=files,
        metadata=known_by_itself(code, Path(files["digests"])),
        pip_requirements=needs,
        signature=signature(),
        input_example=example,
    )
    for key, value in metrics.items():
        key = metric_name(f"evaluation/{key}")
        mlflow.MlflowClient(uri).log_metric(run_id, key, value, step=0, model_id=info.model_id)
    return str(info.model_id), str(info.model_uri)


def known_by_itself(code: Path, digests: Path) -> dict[str, dict[str, str]]:
    """MLmodel's metadata: what a model is held against where no registry answers."""
    told = {code.name: file_digest(code), f"artifacts/{digests.name}": file_digest(digests)}
    return {FILES_TAG: told}


def signature() -> ModelSignature:
    """What a model gives, for the page; what it takes is told by the example and in words.

    Were its inputs declared, MLflow would leave out a column of another name without a word (`box`
    for `boxes`), refuse a dict of one image, and put its own sentence before ours.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Object, Property, Schema

    numbers = Array(Array(DataType.double))
    pose = Object(
        [
            Property("keypoints", numbers),
            Property("score", DataType.double),
            Property("box", Array(DataType.double)),
        ]
    )
    gives = [ColSpec(Array(pose), "poses"), ColSpec(DataType.boolean, "whole_image")]
    return ModelSignature(outputs=Schema([*gives]))


def has_model(client: MlflowClient, model_id: str, run_id: str | None) -> bool:
    """Whether a logged model and the run that it is of are still there, neither deleted."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return False
        raise
    return bool(run_id) and living_run(client, str(run_id)) is not None


def download_version_files(uri: str, name: str, version: str, part: str, folder: Path) -> Path:
    """Files below `part` of a registered version, brought to `folder`.

    Raises ValueError where they are gone, or are not those that were registered.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    tags = mlflow.MlflowClient(uri, uri).get_model_version(name, version).tags
    address = f"models:/{name}/{version}/{part}"
    try:
        got = mlflow.artifacts.download_artifacts(
            artifact_uri=address, dst_path=str(folder), tracking_uri=uri, registry_uri=uri
        )
    except (MlflowException, OSError) as error:
        raise refusal(
            f"{address} at {uri}",
            fault=f"cannot be brought ({first_line(error)})",
            do=f"bring its files back, or {REPAIR}",
        ) from error
    check_files(tags, f"version {version} of {name} at {uri}", Path(got), part)
    return Path(got)
