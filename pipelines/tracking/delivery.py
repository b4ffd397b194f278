"""An outbox's records delivered to MLflow: the run that they belong to is found or made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import refusal
from pipelines.host.progress import told_number
from pipelines.tracking.descriptions import describe_experiment
from pipelines.tracking.outbox import Deliver, Outbox, Record, RefusedError, RunGoneError
from pipelines.tracking.run_log import metric_name
from pipelines.tracking.server import address_of, experiment_id, mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_KEY = "limber.run_key"
OUTBOX_KEY = "limber.outbox"
# what a person reads first: the page shows tags as they came, or by name; ours begin with `limber.`
ARCHITECTURE, BEST, DATASET = "architecture", "best", "dataset"
FIRST = (ARCHITECTURE, BEST, DATASET)
NEEDED: dict[str, tuple[str, ...]] = {  # parts of each kind of record
    "open": ("params", "tags"),
    "epoch": ("epoch", "step", "metrics", "time"),
    "system": ("step", "metrics", "time"),
    "picture": ("path", "folder"),
    "checkpoint": ("epoch", "place", "sha256", "metrics", "time"),
    "close": ("status", "time"),
    "folder": ("path", "folder"),
    "numbers": ("metrics", "time"),
    "tags": ("tags",),
}
PER_BATCH = 100  # MLflow takes this many params or tags at once
METRICS_PER_BATCH = 1000


def living_run(client: MlflowClient, run_id: str) -> Run | None:
    """The run, or None where this server has none of that id or it is deleted."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


class TrackedRun:
    """Finds or makes the run that an outbox belongs to, and delivers its records."""

    def __init__(self, outbox: Outbox, uri: str | None = None) -> None:
        """uri: with the password that the outbox is not told."""
        header = outbox.header
        if header is None:
            fault = "no outbox of a training (its first line is missing)"
            raise refusal(outbox.path, fault=fault)
        self._header: Record = header
        self._path_of, self._began = outbox.path_of, outbox.began()
        self._kept_at: dict[int, float] = {}  # by epoch: when its first checkpoint was
        for record in (each for each, _ in outbox.records() if each["kind"] == "checkpoint"):
            if {"epoch", "time"} <= record.keys():
                self._kept_at.setdefault(record["epoch"], record["time"])
        self._uri: str = uri or address_of(header["uri"])
        self._wanted: str | None = header["run_id"]
        self._senders: dict[str, Deliver] = {
            "open": self._send_open,
            "epoch": self._send_epoch,
            "system": self._send_system,
            "picture": self._send_picture,
            "checkpoint": self._send_checkpoint,
            "close": self._send_close,
            "folder": self._send_folder,
            "numbers": self._send_numbers,
            "tags": self._send_tags,
        }

    def connect(self) -> tuple[str, str, Deliver]:
        """(server, run id, deliver): the run exists when this returns."""
        self._client = mlflow_client(self._uri)
        self._experiment = experiment_id(self._client, self._header["experiment"], self._uri)
        describe_experiment(self._client, self._experiment)
        run = self._find() or self._create()
        self._run, self._run_id = run, str(run.info.run_id)
        self._server_epochs = self._epochs(self._run_id)
        return self._uri, self._run_id, self._deliver

    def _find(self) -> Run | None:
        if self._wanted and (run := living_run(self._client, self._wanted)):
            return run
        key = self._header["fingerprint"]
        runs = self._client.search_runs([self._experiment], f"tags.`{RUN_KEY}` = '{key}'")
        if mine := [run for run in runs if self._is_ours(run)]:
            return max(mine, key=lambda run: len(self._epochs(run.info.run_id)))
        if not runs:
            return None
        if not self._epochs(runs[0].info.run_id):
            return runs[0]
        # A training from the beginning whose old log is gone: its numbers are not to be mixed. One
        # that was set aside and is sent late supersedes nobody.
        if runs[0].info.start_time < int(self._began * 1000):
            self._client.set_tag(runs[0].info.run_id, RUN_KEY, f"{key} superseded")
        return None

    def _is_ours(self, run: Run) -> bool:
        return bool(run.data.tags.get(OUTBOX_KEY) == self._header["id"])

    def _remove_twins(self) -> None:
        """Empty runs of this outbox: made by a server that was so late with its answer that it was
        asked again."""
        key = self._header["fingerprint"]
        for run in self._client.search_runs([self._experiment], f"tags.`{RUN_KEY}` = '{key}'"):
            number = run.info.run_id
            if self._is_ours(run) and number != self._run_id and not self._epochs(number):
                self._client.delete_run(number)

    def _create(self) -> Run:
        return self._client.create_run(
            self._experiment,
            start_time=int(self._began * 1000),
            run_name=self._header["name"],
            tags={
                **{key: self._header["tags"].get(key, "not yet") for key in FIRST},
                RUN_KEY: self._header["fingerprint"],
                OUTBOX_KEY: self._header["id"],
            },
        )

    def _deliver(self, record: Record) -> None:
        from mlflow.exceptions import MlflowException, RestException

        kind = record.get("kind", "")
        if kind not in self._senders:
            raise RefusedError(f"no record of a training: kind {kind!r}")
        if lacks := [part for part in NEEDED.get(kind, ()) if part not in record]:
            raise RefusedError(f"no whole record of a training: lacks {', '.join(lacks)}")
        try:
            self._senders[kind](record)
        except MlflowException as error:
            own = isinstance(error, RestException) or not self._uri.startswith("http")
            if own and error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                if living_run(self._client, self._run_id) is None:  # such a one takes no record
                    raise RunGoneError(f"run {self._run_id} was deleted") from error
                raise RefusedError(str(error)) from error
            raise  # another one's 400, of a proxy, refuses nothing

    def _epochs(self, run_id: str) -> set[int]:
        """Those that the server has."""
        points = self._client.get_metric_history(run_id, "epoch")
        return {int(point.step) for point in points}

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
        if record["epoch"] in self._server_epochs:
            return
        numbers = {**record["metrics"], "epoch": record["epoch"], "step": record["step"]}
        kept = self._kept_at.get(record["epoch"]) or float(record["time"])
        self._log(numbers, record["epoch"], kept)
        self._server_epochs.add(record["epoch"])

    def _send_system(self, record: Record) -> None:
        self._log(record["metrics"], record["step"], record["time"])

    def _log(self, numbers: dict[str, float], step: int, seconds: float) -> None:
        from mlflow.entities import Metric

        when = int(seconds * 1000)
        metrics = [Metric(metric_name(k), float(v), when, step) for k, v in numbers.items()]
        for start in range(0, len(metrics), METRICS_PER_BATCH):
            part = metrics[start : start + METRICS_PER_BATCH]
            self._client.log_batch(self._run_id, metrics=part)

    def _send_picture(self, record: Record) -> None:
        path = self._path_of(record["path"])
        if not path.is_file():
            raise RefusedError(f"{path}: no such picture any more")
        self._client.log_artifact(self._run_id, str(path), record["folder"])
        self._check_arrived(record["folder"], [path])

    def _check_arrived(self, folder: str, files: Sequence[Path]) -> None:
        """Raises ConnectionError, to be tried again, where the run lacks a file: whoever answers
        200 may not be the server. files: of this machine, now in that folder of the run."""
        if not files:
            return
        listed = self._client.list_artifacts(self._run_id, folder)
        sizes = {each.path.rpartition("/")[2]: each.file_size for each in listed}
        for file in files:
            if file.name not in sizes or sizes[file.name] not in (None, file.stat().st_size):
                raise ConnectionError(f"{folder}/{file.name} was taken, but is not in the run")

    def _send_checkpoint(self, record: Record) -> None:
        """A LoggedModel without weights: searchable by its numbers, pointing to the file."""
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        where, epoch = self._run.info.experiment_id, record["epoch"]
        place = str(record["place"])  # an address, or a file below the outbox's folder
        place = place if "://" in place else self._path_of(place).as_uri()
        facts = {"epoch": str(epoch), "place": place, "sha256": record["sha256"]}
        facts |= {metric_name(name): str(value) for name, value in record["metrics"].items()}
        mine = f"source_run_id = '{self._run_id}' AND tags.sha256 = '{record['sha256']}'"
        found = self._client.search_logged_models([where], filter_string=mine)
        if found and found[0].status == LoggedModelStatus.READY:
            return
        # one that is not was left half told, as by a server that died
        model = (
            found[0]
            if found
            else self._client.create_logged_model(
                where, f"epoch-{epoch}", self._run_id, facts, facts, model_type="checkpoint"
            )
        )
        self._kept_at.setdefault(epoch, record["time"])
        for name, value in record["metrics"].items():
            key, seconds = metric_name(name), record["time"]
            self._log_of_model(key, float(value), epoch, model.model_id, seconds)
        outputs = self._client.get_run(self._run_id).outputs
        told = outputs.model_outputs if outputs else []
        if model.model_id not in {each.model_id for each in told}:
            self._client.log_outputs(self._run_id, [LoggedModelOutput(model.model_id, epoch)])
        self._client.finalize_logged_model(model.model_id, "READY")

    def _log_of_model(
        self, key: str, value: float, epoch: int, model_id: str, seconds: float
    ) -> None:
        """A number of a checkpoint. MLflow keeps it as one of the run's as well, so it is told as
        the very point of the curve that it is: the same value, step and time are kept once. A
        training keeps a checkpoint before it tells the epoch, which then has the checkpoint's time.
        """
        points = self._client.get_metric_history(self._run_id, key)
        point = next((each for each in points if each.step == epoch), None)
        when = point.timestamp if point else int(seconds * 1000)
        value = point.value if point else value
        self._client.log_metric(self._run_id, key, value, when, epoch, model_id=model_id)

    def _send_close(self, record: Record) -> None:
        end = int(record["time"] * 1000)
        describe_experiment(self._client, self._experiment, self._run_id)
        self._tag_best(self._header["params"].get("evaluation.monitor", ""))
        self._client.set_terminated(self._run_id, record["status"], end)
        self._remove_twins()

    def _tag_best(self, monitor: str) -> None:
        """The best epoch of the monitor, where there is one."""
        points = self._client.get_metric_history(self._run_id, metric_name(monitor or "none"))
        if best := max(points, key=lambda point: point.value, default=None):
            told = f"{monitor} {told_number(monitor, best.value)}, epoch {best.step}"
            self._client.set_tag(self._run_id, BEST, told)

    def _send_folder(self, record: Record) -> None:
        path = self._path_of(record["path"])
        if not path.is_dir():
            raise RefusedError(f"{path}: no such folder any more")
        self._client.log_artifacts(self._run_id, str(path), record["folder"])
        for below in (path, *(each for each in path.rglob("*") if each.is_dir())):
            place = "/".join((record["folder"], *below.relative_to(path).parts))
            self._check_arrived(place, [each for each in below.iterdir() if each.is_file()])

    def _send_numbers(self, record: Record) -> None:
        self._log(record["metrics"], 0, record["time"])

    def _send_tags(self, record: Record) -> None:
        for key, value in record["tags"].items():
            self._client.set_tag(self._run_id, key, value)
