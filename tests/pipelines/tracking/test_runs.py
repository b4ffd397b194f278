"""What a training tells: in its outbox first, then in MLflow, once, whoever answers when."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.host import places
from pipelines.tracking import runs as tracking
from pipelines.tracking.__main__ import main
from pipelines.tracking.outbox import Outbox, Postman, RefusedError
from pipelines.tracking.run_log import RunLog, flatten, metric_name
from pipelines.tracking.server import IMPATIENT, mlflow_client, tracking_uri

KEY = "f" * 64
TAGS = {"data_hash": "d" * 64, "dataset": "stick_figures", "world_size": "2"}


@pytest.fixture(autouse=True)
def commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is not asked."""
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of MLflow's own making; what uses it is `contract`."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def opened(folder: Path, uri: str, key: str = KEY, **more: Any) -> RunLog:
    params: dict[str, object] = {"training": {"epochs": 3}, "input_size": [96, 128]}
    given = {"params": params, "tags": TAGS, "uri": uri, **more}
    return tracking.open_run("demo_hrnet", key, folder, **given)


def tell(log: RunLog, folder: Path, epochs: range) -> None:
    for epoch in epochs:
        log.epoch(epoch, 10 * epoch, {"loss": 1.0 / (epoch + 1), "AP@gt": epoch / 10})
    picture = folder / "crops.jpg"
    picture.write_bytes(b"jpeg")
    log.picture(picture, "augmented")
    log.checkpoint(
        folder / "step_1.pt", epochs[-1], {"AP@gt": epochs[-1] / 10}, f"{epochs[-1]:064}"
    )


def history(uri: str, run_id: str, name: str) -> list[tuple[int, float]]:
    points = mlflow_client(uri).get_metric_history(run_id, name)
    return sorted((point.step, point.value) for point in points)


@pytest.mark.contract
def test_everything_is_read_back(tmp_path: Path, uri: str) -> None:
    log = opened(tmp_path, uri)
    tell(log, tmp_path, range(3))
    ranks = {f"system/rank_{n}/gpu_power_usage_watts": float(n) for n in range(1200)}
    log.load(ranks, {"gpu_hours": 0.5})  # more than MLflow takes at once
    log.tag("nodes", "a: rank 0, 1")
    assert log.close("FINISHED") is None
    assert log.run_id is not None
    client = mlflow_client(uri)
    run = client.get_run(log.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "demo_hrnet"
    assert run.data.params == {"training.epochs": "3", "input_size": "[96, 128]"}
    assert run.data.tags["limber.run_key"] == KEY
    assert run.data.tags["limber.world_size"] == "2"
    assert run.data.tags["mlflow.source.git.commit"] == "0123456"
    versions = {f"limber.version.{name}" for name in ("torch", "mlflow", "ray", "python")}
    assert versions | {"limber.host", "limber.device"} <= set(run.data.tags)
    assert history(uri, log.run_id, "gt/AP") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert history(uri, log.run_id, "step") == [(0, 0), (1, 10), (2, 20)]
    assert ranks.items() <= run.data.metrics.items()
    assert run.data.metrics["cost/gpu_hours"] == 0.5
    assert run.data.tags["limber.nodes"] == "a: rank 0, 1"
    assert [f.path for f in client.list_artifacts(log.run_id, "augmented")] == [
        "augmented/crops.jpg"
    ]
    assert run.inputs.dataset_inputs[0].dataset.digest == "d" * 36
    kept = client.search_logged_models([run.info.experiment_id])
    mine = [model for model in kept if model.source_run_id == log.run_id]
    assert [model.model_type for model in mine] == ["checkpoint"]
    assert mine[0].params["epoch"] == "2" and mine[0].tags["sha256"] == f"{2:064}"
    assert mine[0].params["place"] == (tmp_path / "step_1.pt").as_uri()
    assert {m.key: m.value for m in mine[0].metrics} == {"gt/AP": 0.2}, "and in no curve of its own"
    assert not [name for name in run.data.metrics if "checkpoint" in name]
    assert mine[0].params["gt/AP"] == "0.2"
    assert str(mine[0].status).endswith("READY")


@pytest.mark.contract
def test_a_resumed_training_goes_on_in_its_run_and_tells_no_epoch_twice(
    tmp_path: Path, uri: str
) -> None:
    first = opened(tmp_path, uri, key="resumed")
    tell(first, tmp_path, range(3))
    first.close("KILLED")
    second = opened(tmp_path, uri, key="resumed", run_id=first.run_id)
    tell(second, tmp_path, range(1, 5))  # its checkpoint was of epoch 0
    second.close("FINISHED")
    assert second.run_id == first.run_id
    assert [step for step, _ in history(uri, str(first.run_id), "loss")] == [0, 1, 2, 3, 4]
    assert mlflow_client(uri).get_run(str(first.run_id)).info.status == "FINISHED"


@pytest.mark.contract
def test_another_machine_goes_on_by_the_run_id_of_the_checkpoint(tmp_path: Path, uri: str) -> None:
    first = opened(tmp_path / "a", uri, key="moved")
    tell(first, tmp_path, range(2))
    first.close("KILLED")
    second = opened(tmp_path / "b", uri, key="moved", run_id=first.run_id)
    tell(second, tmp_path, range(1, 3))
    second.close("FINISHED")
    assert second.run_id == first.run_id
    assert [step for step, _ in history(uri, str(first.run_id), "epoch")] == [0, 1, 2]


@pytest.mark.contract
def test_a_training_from_the_beginning_does_not_mix_with_an_old_one(
    tmp_path: Path, uri: str
) -> None:
    first = opened(tmp_path / "a", uri, key="again")
    tell(first, tmp_path, range(2))
    first.close("FINISHED")
    second = opened(tmp_path / "b", uri, key="again")  # runs/ was removed
    tell(second, tmp_path, range(2))
    second.close("FINISHED")
    assert second.run_id != first.run_id
    client = mlflow_client(uri)
    assert client.get_run(str(first.run_id)).data.tags["limber.run_key"] == "again superseded"
    assert [step for step, _ in history(uri, str(second.run_id), "epoch")] == [0, 1]


@pytest.mark.contract
def test_what_was_set_aside_and_is_sent_late_supersedes_nobody(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server was away; another training of the same recipe and data was told meanwhile."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    old = opened(tmp_path / "a", uri, key="aside", later=True)
    tell(old, tmp_path, range(3))
    old.close("FINISHED")
    new = opened(tmp_path / "b", uri, key="aside")
    tell(new, tmp_path, range(2))
    new.close("FINISHED")
    sent = tracking.deliver_outbox(tmp_path / "a" / tracking.OUTBOX_NAME)
    assert sent not in (None, new.run_id)
    assert [step for step, _ in history(uri, str(sent), "epoch")] == [0, 1, 2]
    assert [step for step, _ in history(uri, str(new.run_id), "epoch")] == [0, 1]
    assert mlflow_client(uri).get_run(str(new.run_id)).data.tags["limber.run_key"] == "aside"


@pytest.mark.contract
def test_a_twin_that_a_late_server_made_is_gone_at_the_end(tmp_path: Path, uri: str) -> None:
    """It did what it was asked for after it was asked again: two runs of one outbox."""
    first = opened(tmp_path / "run", uri, key="late")
    tell(first, tmp_path, range(2))
    first.close("KILLED")
    client, tags = mlflow_client(uri), {"limber.run_key": "late"}
    run = client.get_run(str(first.run_id))
    tags["limber.outbox"] = run.data.tags["limber.outbox"]
    experiment, later = run.info.experiment_id, run.info.start_time + 10**6
    twin = client.create_run(experiment, start_time=later, tags=tags)
    second = opened(tmp_path / "run", uri, key="late")
    tell(second, tmp_path, range(2, 3))
    second.close("FINISHED")
    left = client.search_runs([experiment], "tags.`limber.run_key` = 'late'")
    assert [each.info.run_id for each in left] == [first.run_id] != [twin.info.run_id]
    assert [step for step, _ in history(uri, str(first.run_id), "epoch")] == [0, 1, 2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """An address where nobody answers, and how to change that."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                       "MLFLOW_DISABLE_TELEMETRY": "true"}  # fmt: skip
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
        command += ["--artifacts-destination", str(tmp_path / "artifacts")]
        said = (tmp_path / "server.log").open("w")
        processes.append(
            subprocess.Popen(
                command, env=environment, start_new_session=True, stdout=said, stderr=said
            )
        )
        wait_for(f"http://127.0.0.1:{port}/health")

    yield f"http://127.0.0.1:{port}", start
    for process in processes:
        os.killpg(process.pid, 15)
        process.wait(20)


def wait_for(address: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"{address} does not answer")


@pytest.mark.contract
def test_a_server_that_comes_later_gets_all(
    tmp_path: Path, server: tuple[str, Any], capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    address, start = server
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    log = opened(tmp_path / "run", address)
    tell(log, tmp_path, range(3))
    left = log.close("FINISHED", patience=30)
    said = capfd.readouterr().err
    assert left == tmp_path / "run" / "outbox.jsonl"
    assert "training goes on" in said and f"python -m pipelines.tracking {left}" in said
    start()
    assert main([str(left)]) == 0
    found = mlflow_client(address).search_runs(["1"])
    assert len(found) == 1 and found[0].info.status == "FINISHED"
    assert [step for step, _ in history(address, found[0].info.run_id, "loss")] == [0, 1, 2]
    files = mlflow_client(address).list_artifacts(found[0].info.run_id, "augmented")
    assert len(files) == 1
    assert main([str(left)]) == 0, "sending again sends nothing twice"
    assert len(history(address, found[0].info.run_id, "loss")) == 3


@pytest.mark.contract  # a GPU is asked for its load by a process
def test_telling_does_not_wait_for_the_server(tmp_path: Path) -> None:
    """All is told while the one who connects stands before a server that lets nobody in."""
    outbox, asked, let_in = Outbox(tmp_path / "outbox.jsonl"), threading.Event(), threading.Event()
    got: list[str] = []

    def connect() -> tuple[str, str, Any]:
        asked.set()
        assert let_in.wait(60)
        return "server", "run", lambda record: got.append(record["kind"])

    log = RunLog(outbox, Postman(outbox, connect)).start()
    assert asked.wait(60)
    tell(log, tmp_path, range(3))
    assert (got, log.run_id) == ([], None), "telling waited until the server let somebody in"
    kinds = ["epoch"] * 3 + ["picture", "checkpoint"]
    assert [kind for record, _ in outbox.records() if (kind := record["kind"]) in kinds] == kinds
    let_in.set()
    assert log.close("FINISHED") is None
    assert [kind for kind in got if kind != "system"] == [*kinds, "close"]


def test_records_wait_for_a_postman_who_is_let_in(tmp_path: Path) -> None:
    outbox, got, doors = Outbox(tmp_path / "outbox.jsonl"), [], iter([False, False, True])

    def connect() -> tuple[str, str, Any]:
        if not next(doors, True):
            raise ConnectionError("nobody there")
        return "server", "run", got.append

    postman = Postman(outbox, connect, back_off=0.05)
    outbox.append("epoch", epoch=0)
    postman.start()
    deadline = time.monotonic() + 20
    while not got and time.monotonic() < deadline:
        time.sleep(0.01)
    outbox.append("epoch", epoch=1)
    assert postman.finish(20)
    assert [record["epoch"] for record in got] == [0, 1]


def test_what_the_server_refuses_is_put_aside(tmp_path: Path) -> None:
    outbox, got = Outbox(tmp_path / "outbox.jsonl"), []

    def deliver(record: dict[str, Any]) -> None:
        if record["epoch"] == 0:
            raise RefusedError("bad name")
        got.append(record["epoch"])

    for epoch in range(2):
        outbox.append("epoch", epoch=epoch)
    Postman(outbox, lambda: ("server", "run", deliver)).deliver_all()
    assert got == [1]
    refused = json.loads((tmp_path / "outbox.refused.jsonl").read_text())
    assert refused["reason"] == "bad name" and refused["epoch"] == 0


def test_a_line_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_text('{"kind": "epoch", "epoch": 4, "time": 1}\n{"kind": "epo')
    outbox = Outbox(path)
    outbox.append("epoch", epoch=5)
    assert outbox.epochs() == {4, 5}
    assert len(list(outbox.records())) == 2


def test_two_processes_never_send_one_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    held = Outbox(path)
    with pytest.raises(ValueError, match="a training that runs"):
        Outbox(path)
    held.release()
    Outbox(path).release()


@pytest.mark.parametrize("wrong", ["file:/tmp/mlruns", "mlruns", "ftp://host"])
def test_an_address_that_mlflow_cannot_use_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"tracking\.uri.*accepted: http"):
        tracking_uri(wrong)


def test_the_address_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert tracking_uri() == "http://tracker:5000"
    assert tracking_uri("https://given") == "https://given"


def test_an_outbox_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing.jsonl")]) == 2
    assert "no such file" in capsys.readouterr().err


@pytest.mark.contract
def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err


def test_names_and_params_as_mlflow_takes_them() -> None:
    assert metric_name("AP@gt") == "gt/AP"
    assert flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": "[1, 2]",
    }
    assert len(flatten({"long": "x" * 9000})["long"]) == 6000


@pytest.mark.contract
def test_a_picture_that_somebody_else_took_is_sent_again(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the server's place says 200 to everything."""
    from mlflow import MlflowClient

    true, taken = MlflowClient.log_artifact, list[str]()

    def send(self: MlflowClient, run_id: str, path: str, folder: str) -> None:
        taken.append(path)
        if len(taken) > 1:
            true(self, run_id, path, folder)

    monkeypatch.setattr(MlflowClient, "log_artifact", send)
    log = opened(tmp_path / "run", uri, "e" * 64, back_off=0.05)
    (tmp_path / "run").mkdir(exist_ok=True)
    tell(log, tmp_path / "run", range(2))
    left = log.close("FINISHED", 60.0)
    assert left is None or main([str(left)]) == 0
    assert len(taken) == 2
    client = mlflow_client(uri)
    (run,) = client.search_runs(["1"], f"tags.`limber.run_key` = '{'e' * 64}'")
    (there,) = client.list_artifacts(run.info.run_id, "augmented")
    assert (there.path, there.file_size) == ("augmented/crops.jpg", 4)


@pytest.mark.contract
def test_a_folder_hangs_on_the_training_run_later(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    folder = tmp_path / "analysis"
    folder.mkdir()
    (folder / "analysis.md").write_text("what goes wrong")
    key = "a" * 64
    tags = {"limber.detector": "nanodet"}
    tracking.attach_folder(None, key, "some", folder, {"analysis/miss@gt": 0.25}, tags=tags)
    client = mlflow_client(uri)
    run = tracking.find_run(client, None, key, "some")
    assert client.get_run(run).data.metrics == {"analysis/gt/miss": 0.25}
    assert client.get_run(run).data.tags["limber.detector"] == "nanodet"
    files = client.list_artifacts(run, "analysis")
    assert [file.path for file in files] == ["analysis/analysis.md"]


@pytest.mark.contract
def test_a_tag_of_later_goes_by_the_trainings_outbox(home: Path, uri: str) -> None:
    key = "e" * 64
    log = opened(places.run("demo_hrnet", key), uri, key)
    log.close("FINISHED")
    told = {"limber.detector": "nanodet (boxes AP 0.323, AR 0.430)"}
    folder = home / "evaluation"
    folder.mkdir()
    assert tracking.attach_folder(log.run_id, key, "demo_hrnet", folder, {}, tags=told)
    assert log.run_id is not None
    tags = mlflow_client(uri).get_run(log.run_id).data.tags
    assert tags["limber.detector"] == told["limber.detector"] and tags["limber.dataset"]


@pytest.mark.contract
def test_what_hangs_on_a_run_that_was_set_aside_is_not_told_to_the_new_one(
    home: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    key, client = "b" * 64, mlflow_client(uri)
    place = places.run("demo_hrnet", key)
    runs = []
    for kept in (place.with_name(f"{place.name}.1"), place):
        log = opened(place, uri, key)
        tell(log, home, range(2))
        log.close("FINISHED")
        place.rename(kept)
        runs.append(str(log.run_id))
    folder = home / "evaluation"
    folder.mkdir()
    assert tracking.attach_folder(runs[0], key, "demo_hrnet", folder, {}, tags={"limber.own": "1"})
    told = [client.get_run(each).data.tags.get("limber.own") for each in runs]
    assert runs[0] != runs[1] and told == ["1", None]


@pytest.mark.contract
def test_a_silent_server_is_told_when_attaching_and_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens there
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        tracking.attach_folder("r1", KEY, "some", tmp_path, {})
    assert f"tracking: {tmp_path} is not attached to the run (" in capsys.readouterr().err
