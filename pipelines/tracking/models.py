"""Registered models' files to MLflow and back."""

from __future__ import annotations

import logging
from pathlib import Path

from pipelines.host import places
from pipelines.tracking.run_log import metric_name

NO_STEP = -1  # MLflow would double the curve's points at a model's step


def log_registered(
    uri: str,
    run_id: str,
    name: str,
    metrics: dict[str, float],
    files: dict[str, str],
    needs: list[str],
) -> tuple[str, str]:
    """Logs pipelines/serving/pose_model.py with its files to a run: (model id, address).

    Code and plain files only: no pickle, no `code_paths`.
    """
    import mlflow
    from mlflow.models import Model

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    # else the files would go to the default experiment, below the working directory
    mlflow.set_experiment(experiment_id=mlflow.get_run(run_id).info.experiment_id)
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # it misses a schema; none fits
    info = Model.log(
        None,
        mlflow.pyfunc,
        name=name,
        run_id=run_id,
        step=NO_STEP,
        model_type="pose",
        python_model=str(places.REPOSITORY / "pipelines" / "serving" / "pose_model.py"),
        artifacts=files,
        pip_requirements=needs,
    )
    for key, value in metrics.items():
        key = f"evaluation/{metric_name(key)}"
        mlflow.MlflowClient(uri).log_metric(run_id, key, value, step=0, model_id=info.model_id)
    return str(info.model_id), str(info.model_uri)


def download_version_files(uri: str, name: str, version: str, part: str, folder: Path) -> Path:
    """Files below `part` of a registered version, brought to `folder`."""
    import mlflow

    address = f"models:/{name}/{version}/{part}"
    got = mlflow.artifacts.download_artifacts(
        artifact_uri=address, dst_path=str(folder), tracking_uri=uri, registry_uri=uri
    )
    return Path(got)
