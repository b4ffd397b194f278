"""A training's voice: each epoch and checkpoint told once, numbers as a tracker takes them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipelines.tracking.outbox import Outbox, Postman
from pipelines.tracking.run_log import RunLog, flatten, metric_name

HOUR = 3600.0


def nobody() -> NoReturn:
    raise ConnectionError("nobody there")


def log_of(outbox: Outbox) -> RunLog:
    """Of a training whose postman never leaves."""
    return RunLog(outbox, Postman(outbox, nobody))


def told(outbox: Outbox, kind: str) -> list[dict[str, Any]]:
    return [record for record, _ in outbox.records() if record["kind"] == kind]


def test_an_epoch_is_told_once_also_after_a_restart(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(first)
    for epoch in (1, 2, 2, 1):
        log.epoch(epoch, 10 * epoch, {"loss": 1.0})
    first.release()
    second = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(second)
    for epoch in (1, 2, 3):
        log.epoch(epoch, 10 * epoch, {"loss": 0.5})
    assert [(r["epoch"], r["step"], r["metrics"]["loss"]) for r in told(second, "epoch")] == [
        (1, 10, 1.0),
        (2, 20, 1.0),
        (3, 30, 0.5),
    ]


@pytest.mark.parametrize(
    "line", [{"kind": "epoch"}, {"kind": "epoch", "epoch": [1]}, {"kind": "checkpoint", "epoch": 1}]
)
def test_a_record_without_its_parts_is_no_epoch(tmp_path: Path, line: dict[str, Any]) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_text(json.dumps(line | {"time": "noon"}) + "\n")
    outbox = Outbox(path)
    log = log_of(outbox)
    log.epoch(1, 10, {"loss": 1.0})
    assert outbox.epochs() == {1} and outbox.checkpoints() == set()
    assert outbox.began() > 0
    outbox.release()


def test_numbers_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(outbox)
    numbers = {"loss": math.nan, "rate": math.inf, "AP@gt": 0.5, "APM@gt": -1.0}
    log.epoch(1, 10, numbers)
    log.checkpoint(tmp_path / "step.pt", 1, numbers, "a" * 64)
    for kind in ("epoch", "checkpoint"):
        (record,) = told(outbox, kind)
        assert record["metrics"] == {"AP@gt": 0.5, "APM@gt": -1.0}


def test_a_checkpoint_is_told_once_and_another_of_the_same_epoch_too(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(first)
    for digest in ("a", "b", "a"):
        log.checkpoint(tmp_path / "step.pt", 1, {}, digest * 64)
    first.release()
    second = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(second)
    log.checkpoint(tmp_path / "step.pt", 1, {}, "b" * 64)
    log.checkpoint(tmp_path / "step.pt", 2, {}, "b" * 64)
    assert [(r["epoch"], r["sha256"][0]) for r in told(second, "checkpoint")] == [
        (1, "a"),
        (1, "b"),
        (2, "b"),
    ]


def test_places_do_not_depend_on_the_folder_that_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outbox = Outbox(tmp_path / "run" / "outbox.jsonl")
    log = log_of(outbox)
    log.picture(Path("run/crops.jpg"), "augmented")
    log.checkpoint(Path("elsewhere 1.pt"), 1, {}, "a" * 64)
    (picture,), (checkpoint,) = told(outbox, "picture"), told(outbox, "checkpoint")
    assert (picture["path"], picture["folder"]) == ("crops.jpg", "augmented")
    assert outbox.path_of(picture["path"]) == tmp_path / "run" / "crops.jpg"
    assert outbox.path_of(checkpoint["place"]) == tmp_path / "elsewhere 1.pt"


def test_what_is_spent_adds_up_over_attempts(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.jsonl")
    log = log_of(first)
    log.load({"system/cpu_utilization_percentage": 50.0}, {"gpu_hours": 0.5})
    log.load({"pace/eta_hours": math.inf}, {"gpu_hours": 0.25, "energy_kwh": 2.0})
    first.release()
    second = Outbox(tmp_path / "outbox.jsonl")
    log_of(second).load({}, {"gpu_hours": 1.0})
    assert [record["metrics"] for record in told(second, "system")] == [
        {"system/cpu_utilization_percentage": 50.0, "cost/gpu_hours": 0.5},
        {"cost/gpu_hours": 0.75, "cost/energy_kwh": 2.0},
        {"cost/gpu_hours": 1.75, "cost/energy_kwh": 2.0},
    ]


def test_steps_of_load_are_seconds_since_the_first_attempt_began(tmp_path: Path) -> None:
    path = tmp_path / "outbox.jsonl"
    path.write_text(json.dumps({"kind": "open", "time": 1000.0}) + "\n")
    outbox = Outbox(path)
    outbox.append("open")  # a later attempt
    log_of(outbox).load({}, {})
    (record,) = told(outbox, "system")
    assert abs(record["step"] - (record["time"] - 1000.0)) < HOUR


def test_an_end_that_is_none_is_our_mistake(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.jsonl")
    with pytest.raises(AssertionError, match="DONE"):
        log_of(outbox).close("DONE")
    assert told(outbox, "close") == []


def test_a_run_ends_once_and_lets_go_of_its_outbox(tmp_path: Path) -> None:
    outbox, got = Outbox(tmp_path / "outbox.jsonl"), []
    postman = Postman(outbox, lambda: ("server", "run", got.append))
    log = RunLog(outbox, postman).start()
    assert log.wait(60) == "run"
    assert log.close("FAILED") is None and log.close("FINISHED") is None
    assert [record["status"] for record in got if record["kind"] == "close"] == ["FAILED"]
    Outbox(tmp_path / "outbox.jsonl").release()


@pytest.mark.parametrize(
    ("ours", "mlflows"),
    [
        ("loss", "loss"),
        ("AP@gt", "gt/AP"),
        ("PCKh@0.5@gt", "gt/PCKh_0.5"),
        ("analysis/miss@gt", "analysis/gt/miss"),
        ("validation loss (s)", "validation loss _s_"),
        ("stage:1-heatmaps_w", "stage:1-heatmaps_w"),
        ("loss[0]=x,y", "loss_0__x_y"),
    ],
)
def test_names_of_numbers_are_those_that_mlflow_takes(ours: str, mlflows: str) -> None:
    assert metric_name(ours) == mlflows


def test_settings_are_flat_whatever_their_depth() -> None:
    nested = {"a": {"b": {"c": 1, "d": None}, "e": {}}, "f": [{"g": 2}], "h": True}
    assert flatten(nested) == {
        "a.b.c": "1",
        "a.b.d": "None",
        "a.e": "{}",
        "f": "[{'g': 2}]",
        "h": "True",
    }
    assert flatten({}) == {}
