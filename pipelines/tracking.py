"""MLflow: what a training tells while it runs, and the page that shows it.

    python -m pipelines.tracking OUTBOX        sends what a training could not send
    python -m pipelines.tracking ui [--port N]  opens the MLflow page on 127.0.0.1

Only this file and the model that goes to the registry know mlflow. All that is told goes through
an outbox (pipelines/outbox.py); a server that does not answer never holds up a training.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import lineage, places
from pipelines.outbox import BACK_OFF_SECONDS, Deliver, Outbox, Postman, Record, RefusedError
from pipelines.page import open_page
from pipelines.recipe import load_params
from pipelines.run_log import RunLog, flatten, metric_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_KEY = "limber.run_key"
OUTBOX_KEY = "limber.outbox"
OUTBOX_NAME = "outbox.jsonl"
NO_STEP = -1  # MLflow would double the curve's points at a model's step
PER_BATCH = 100  # MLflow takes this many params or tags at once
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


def open_run(
    name: str,
    fingerprint: str,
    folder: Path,
    *,
    params: dict[str, object],
    tags: dict[str, str],
    run_id: str | None = None,
    uri: str | None = None,
    experiment: str | None = None,
    back_off: float = BACK_OFF_SECONDS,
) -> RunLog:
    """The run of this recipe and data (its `fingerprint`), new or gone on with.

    folder: where the outbox lies; a second open there continues it. params: the recipe, nested;
    tags: plain names (`data_hash`, `dataset`, `recipe_digest`, `world_size`...), kept as
    `limber.<name>`; commit, versions and host are added here. run_id: of the checkpoint that is
    resumed, wins over the search by fingerprint. uri: see `tracking_uri`. Does not wait for the
    server. Raises ValueError for a uri that MLflow cannot use.
    """
    outbox = Outbox(folder / OUTBOX_NAME)
    before = outbox.header
    outbox.append(
        "open",
        name=name,
        fingerprint=fingerprint,
        params=flatten(params),
        tags={**{f"limber.{k}": str(v) for k, v in tags.items()}, **_own_tags()},
        run_id=run_id,
        uri=tracking_uri(uri),
        experiment=experiment or _settings().get("experiment") or "limber",
        id=before["id"] if before else uuid.uuid4().hex,
    )
    for key, value in {**QUIET, **IMPATIENT}.items():
        os.environ.setdefault(key, value)
    return RunLog(outbox, Postman(outbox, _TrackedRun(outbox).connect, back_off)).start()


def tracking_uri(given: str | None = None) -> str:
    """Where MLflow is: `given`, params.yaml `tracking.uri`, $MLFLOW_TRACKING_URI, else sqlite.

    Raises ValueError for an address of a kind that MLflow does not accept.
    """
    uri = given or _settings().get("uri") or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return f"sqlite:///{places.home() / 'mlflow.db'}"
    if not re.match(r"(https?|sqlite|postgresql|mysql)(\+\w+)?://", uri):
        raise ValueError(
            f"params.yaml: tracking.uri (or $MLFLOW_TRACKING_URI): given {uri!r}, accepted: "
            f"{ACCEPTED}; leave it null for a database in this folder (MLflow no longer takes "
            "folders)"
        )
    return str(uri)


def client(uri: str | None = None) -> MlflowClient:
    """MLflow's client for runs and registry, telemetry off; opens no connection yet."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    from mlflow import MlflowClient

    where = tracking_uri(uri)
    return MlflowClient(tracking_uri=where, registry_uri=where)


def experiment_id(mlflow: MlflowClient, name: str, uri: str) -> str:
    """Id of the experiment, made if need be (beside the database: artifacts in `mlartifacts`)."""
    from mlflow.exceptions import MlflowException

    if found := mlflow.get_experiment_by_name(name):
        return str(found.experiment_id)
    database = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    location = (database.parent / "mlartifacts").resolve().as_uri() if database else None
    try:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the page opens on its runs
        return str(mlflow.create_experiment(name, artifact_location=location, tags=kind))
    except MlflowException:  # another training made it in between
        if found := mlflow.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


def find_run(mlflow: MlflowClient, run_id: str | None, fingerprint: str, name: str) -> str:
    """Id of a training's run on this server; a bare one is made where the server has none."""
    settings = _settings()
    where = experiment_id(mlflow, settings.get("experiment") or "limber", tracking_uri())
    found = mlflow.search_runs([where], f"tags.`{RUN_KEY}` = '{fingerprint}'", max_results=1)
    if run_id and _living(mlflow, run_id):
        return run_id
    if found:
        return str(found[0].info.run_id)
    run = mlflow.create_run(where, run_name=name, tags={RUN_KEY: fingerprint})
    mlflow.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def log_registered(
    uri: str,
    run_id: str,
    name: str,
    metrics: dict[str, float],
    files: dict[str, str],
    needs: list[str],
) -> tuple[str, str]:
    """Logs pipelines/registered_model.py with its files to a run: (model id, address).

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
        python_model=str(places.REPOSITORY / "pipelines" / "registered_model.py"),
        artifacts=files,
        pip_requirements=needs,
    )
    for key, value in metrics.items():
        key = f"evaluation/{metric_name(key)}"
        mlflow.MlflowClient(uri).log_metric(run_id, key, value, step=0, model_id=info.model_id)
    return str(info.model_id), str(info.model_uri)


def attach(
    run_id: str | None, fingerprint: str, name: str, folder: Path, numbers: dict[str, float]
) -> None:
    """A folder and some numbers to a training's run, later than the training itself.

    Says so and goes on where no server answers: the folder stays where it is.
    """
    for key, value in {**QUIET, **IMPATIENT}.items():
        os.environ.setdefault(key, value)
    try:
        to = client()
        run = find_run(to, run_id, fingerprint, name)
        to.log_artifacts(run, str(folder), folder.name)
        for metric, number in numbers.items():
            to.log_metric(run, metric_name(metric), number)
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the work is done
        reason = str(error).splitlines()[0][:200] if str(error) else repr(error)
        print(f"tracking: {folder} is not attached to the run ({reason})", file=sys.stderr)


def download(uri: str, name: str, version: str, part: str, folder: Path) -> Path:
    """Files below `part` of a registered version, brought to `folder`."""
    import mlflow

    address = f"models:/{name}/{version}/{part}"
    got = mlflow.artifacts.download_artifacts(
        artifact_uri=address, dst_path=str(folder), tracking_uri=uri, registry_uri=uri
    )
    return Path(got)


def _living(mlflow: MlflowClient, run_id: str) -> Run | None:
    """The run, or None where this server has none of that id or it is deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = mlflow.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


class _TrackedRun:
    """Finds or makes the run that an outbox belongs to, and delivers its records."""

    def __init__(self, outbox: Outbox) -> None:
        header = outbox.header
        if header is None:
            raise ValueError(f"{outbox.path}: no outbox of a training (its first line is missing)")
        self._header: Record = header
        self._began = outbox.began()
        self._uri: str = header["uri"]
        self._wanted: str | None = header["run_id"]

    def connect(self) -> tuple[str, str, Deliver]:
        """(server, run id, deliver): the run exists when this returns."""
        self._client = client(self._uri)
        self._experiment = experiment_id(self._client, self._header["experiment"], self._uri)
        run = self._find() or self._create()
        self._run, self._run_id = run, str(run.info.run_id)
        self._server_epoch = self._last_epoch(self._run_id)
        return self._uri, self._run_id, self._deliver

    def _find(self) -> Run | None:
        if self._wanted and (run := _living(self._client, self._wanted)):
            return run
        key = self._header["fingerprint"]
        found = self._client.search_runs(
            [self._experiment], f"tags.`{RUN_KEY}` = '{key}'", max_results=1
        )
        if not found or found[0].data.tags.get(OUTBOX_KEY) == self._header["id"]:
            return found[0] if found else None
        if self._last_epoch(found[0].info.run_id) < 0:
            return found[0]
        # A training from the beginning whose old log is gone: its numbers are not to be mixed.
        self._client.set_tag(found[0].info.run_id, RUN_KEY, f"{key} superseded")
        return None

    def _create(self) -> Run:
        return self._client.create_run(
            self._experiment,
            start_time=int(self._began * 1000),
            run_name=self._header["name"],
            tags={RUN_KEY: self._header["fingerprint"], OUTBOX_KEY: self._header["id"]},
        )

    def _deliver(self, record: Record) -> None:
        from mlflow.exceptions import MlflowException

        try:
            getattr(self, f"_send_{record['kind']}")(record)
        except MlflowException as error:
            if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise RefusedError(str(error)) from error
            raise

    def _last_epoch(self, run_id: str) -> int:
        points = self._client.get_metric_history(run_id, "epoch")
        return max((int(point.step) for point in points), default=-1)

    def _send_open(self, record: Record) -> None:
        """Tags of this attempt, and the params that the run lacks (MLflow never changes one)."""
        from mlflow.entities import Param, RunTag

        known = self._client.get_run(self._run_id).data.params
        params = [Param(k, v) for k, v in record["params"].items() if k not in known]
        tags = [RunTag(k, v) for k, v in record["tags"].items()]
        for start in range(0, max(len(params), len(tags)), PER_BATCH):
            part = slice(start, start + PER_BATCH)
            self._client.log_batch(self._run_id, params=params[part], tags=tags[part])
        self._client.update_run(self._run_id, status="RUNNING")
        self._send_dataset(record["tags"])

    def _send_dataset(self, tags: dict[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput

        name, digest = tags.get("limber.dataset"), tags.get("limber.data_hash")
        if name and digest:
            source = f"data/store/prepared/{name}"
            dataset = Dataset(name, digest[:36], "local", source)  # MLflow takes 36 letters
            self._client.log_inputs(self._run_id, [DatasetInput(dataset)])

    def _send_epoch(self, record: Record) -> None:
        if record["epoch"] <= self._server_epoch:
            return
        numbers = {**record["metrics"], "epoch": record["epoch"], "step": record["step"]}
        self._log(numbers, record["epoch"], record["time"])
        self._server_epoch = record["epoch"]

    def _send_system(self, record: Record) -> None:
        self._log(record["metrics"], record["step"], record["time"])

    def _log(self, numbers: dict[str, float], step: int, seconds: float) -> None:
        from mlflow.entities import Metric

        when = int(seconds * 1000)
        metrics = [Metric(metric_name(k), float(v), when, step) for k, v in numbers.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def _send_picture(self, record: Record) -> None:
        if not Path(record["path"]).is_file():
            raise RefusedError(f"{record['path']}: no such picture any more")
        self._client.log_artifact(self._run_id, record["path"], record["folder"])

    def _send_checkpoint(self, record: Record) -> None:
        """A LoggedModel without weights: searchable by its numbers, pointing to the file."""
        from mlflow.entities import LoggedModelOutput

        where, epoch = self._run.info.experiment_id, record["epoch"]
        facts = {k: str(record[k]) for k in ("epoch", "place", "sha256")}
        facts |= {metric_name(name): str(value) for name, value in record["metrics"].items()}
        mine = f"source_run_id = '{self._run_id}' AND tags.sha256 = '{record['sha256']}'"
        if self._client.search_logged_models([where], filter_string=mine):
            return
        model = self._client.create_logged_model(
            where, f"epoch-{epoch}", self._run_id, facts, facts, model_type="checkpoint"
        )
        for name, value in record["metrics"].items():
            key = f"checkpoint/{metric_name(name)}"  # MLflow draws it in the run's curve as well
            self._client.log_metric(self._run_id, key, value, step=epoch, model_id=model.model_id)
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(self._run_id, [LoggedModelOutput(model.model_id, epoch)])

    def _send_close(self, record: Record) -> None:
        end = int(record["time"] * 1000)
        self._client.set_terminated(self._run_id, record["status"], end)


def _own_tags() -> dict[str, str]:
    commit = lineage.git_commit()
    tags = {"mlflow.source.git.commit": commit.removesuffix("-dirty"), "limber.git_commit": commit}
    return {
        **{key: value for key, value in tags.items() if value},
        **{f"limber.{key}": value for key, value in lineage.host().items()},
        **{f"limber.version.{key}": value for key, value in lineage.versions().items()},
    }


def _settings() -> dict[str, Any]:
    return dict(load_params().get("tracking") or {})


def send(path: Path) -> None:
    """Sends what a training left unsent; raises ValueError where that does not work."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a training names its outbox when it ends")
    outbox = Outbox(path)
    postman = Postman(outbox, _TrackedRun(outbox).connect)
    for key, value in {**QUIET, **IMPATIENT}.items():
        os.environ.setdefault(key, value)
    try:
        postman.deliver_all()
    except Exception as error:
        raise ValueError(f"{path}: not sent, the rest stays there: {error}") from error
    finally:
        outbox.release()
    print(f"sent: run {postman.run_id}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.tracking", description=__doc__)
    parser.add_argument("what", help="path of an outbox, or `ui`")
    parser.add_argument("--port", type=int, default=5000)
    given = parser.parse_args(arguments)
    try:
        open_page(tracking_uri(), given.port, QUIET) if given.what == "ui" else send(
            Path(given.what)
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
