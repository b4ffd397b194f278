"""A run that is deleted while its training goes on: all of it is told to the one made instead."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.tracking.delivery import RUN_KEY, TrackedRun
from pipelines.tracking.outbox import Outbox, Postman, RefusedError, RunGoneError
from pipelines.tracking.server import mlflow_client

KEY = "f" * 64


class Runs:
    """A tracker's runs: what each was told; one that is `gone` takes nothing."""

    def __init__(self) -> None:
        self.told: dict[str, list[int]] = {}
        self.gone = set[str]()

    def connect(self) -> tuple[str, str, Callable[[dict[str, Any]], None]]:
        run = f"run-{len(self.told)}"
        self.told[run] = []

        def deliver(record: dict[str, Any]) -> None:
            if run in self.gone:
                raise RunGoneError(f"{run} was deleted")
            if record["epoch"] < 0:
                raise RefusedError("no such epoch")
            self.told[run].append(record["epoch"])

        return "server", run, deliver


def test_another_run_is_told_all_from_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox, runs = Outbox(tmp_path / "outbox.jsonl"), Runs()
    postman = Postman(outbox, runs.connect)
    for epoch in (0, 1):
        outbox.append("epoch", epoch=epoch)
    postman.deliver_all()
    runs.gone.add("run-0")
    outbox.append("epoch", epoch=2)
    postman.deliver_all()
    postman.deliver_all()
    assert runs.told == {"run-0": [0, 1], "run-1": [0, 1, 2]} and postman.run_id == "run-1"
    assert not (tmp_path / "outbox.refused.jsonl").exists()
    assert capsys.readouterr().err.count("run-0 was deleted") == 1
    outbox.release()


def test_one_that_is_gone_again_at_once_is_asked_for_later(tmp_path: Path) -> None:
    outbox, runs = Outbox(tmp_path / "outbox.jsonl"), Runs()
    runs.gone |= {"run-0", "run-1"}
    outbox.append("epoch", epoch=0)
    with pytest.raises(RunGoneError, match="run-1"):
        Postman(outbox, runs.connect).deliver_all()
    assert list(runs.told) == ["run-0", "run-1"] and outbox.position("server run-1") == 0
    outbox.release()


@pytest.mark.contract
def test_mlflow_is_told_all_once_after_its_run_was_deleted(tmp_path: Path) -> None:
    uri, outbox = f"sqlite:///{tmp_path}/mlflow.db", Outbox(tmp_path / "outbox.jsonl")
    header = {"name": "demo", "fingerprint": KEY, "params": {"a": "1"}, "tags": {"b": "2"}}
    outbox.append("open", **header, run_id=None, uri=uri, experiment="limber", id="mine")
    outbox.append("epoch", epoch=1, step=10, metrics={"loss": 1.0})
    postman = Postman(outbox, TrackedRun(outbox).connect)
    postman.deliver_all()
    first, client = str(postman.run_id), mlflow_client(uri)
    client.delete_run(first)
    outbox.append("epoch", epoch=2, step=20, metrics={"loss": 0.5})
    outbox.append("tags", tags={"no#name": "x"})  # refused of a run that lives, too
    outbox.append("close", status="FINISHED")
    postman.deliver_all()
    experiment = client.get_run(first).info.experiment_id
    (run,) = client.search_runs([experiment], f"tags.`{RUN_KEY}` = '{KEY}'")
    assert run.info.run_id == postman.run_id != first and run.info.status == "FINISHED"
    told = Counter(p.step for p in client.get_metric_history(run.info.run_id, "loss"))
    assert told == {1: 1, 2: 1} and run.data.params == {"a": "1"} and run.data.tags["b"] == "2"
    refused = (tmp_path / "outbox.refused.jsonl").read_text().splitlines()
    assert [json.loads(line)["tags"] for line in refused] == [{"no#name": "x"}]
    outbox.release()
