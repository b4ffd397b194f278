"""What MLflow's page says of the experiment, a model, a version: kept there, and in a browser."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.registry.versions import Registry
from pipelines.tracking import __main__ as command
from pipelines.tracking.descriptions import EXPERIMENT, NOTE, first_tags, numbers_of, version_text
from pipelines.tracking.runs import OUTBOX_NAME, attach_folder, open_run
from pipelines.tracking.server import mlflow_client, tracking_uri
from tests.worlds.here import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
TAGS = {
    "limber.recipe": "some",
    "limber.dataset": "people",
    "limber.AP.gt": "0.693142",
    "limber.PCKh.0.5.gt": "-1.000000",
    "limber.git_commit": "0123456789abcdef",
}


def test_numbers_of_a_version_are_read_from_its_tags() -> None:
    assert numbers_of(TAGS) == {"AP gt": "0.693", "PCKh.0.5 gt": "no people"}
    first = first_tags(TAGS)
    assert first == {"AP gt": "0.693", "dataset": "people", "decision": "candidate"}
    assert sorted({**TAGS, **first})[:3] == list(first), "before all others, by name"


def test_a_version_says_what_it_is_and_how_it_is_made_again() -> None:
    text = version_text(TAGS, "![x](y)")
    assert "Recipe `some` on people: AP gt 0.693, PCKh.0.5 gt no people." in text
    assert "`make repro RECIPE=some`, at commit `0123456789ab`" in text and "![x](y)" in text


def test_a_version_says_whose_boxes_it_was_scored_from() -> None:
    text = version_text(TAGS | {"limber.detector": "nanodet (boxes AP 0.323, AR 0.430)"}, "")
    assert "no people; det from boxes of nanodet (boxes AP 0.323, AR 0.430)." in text


@pytest.fixture(scope="module")
def told(module_home: Path) -> str:
    """The id of a training's run, told whole, with a version that was made champion."""
    folder = module_home / "runs" / f"some-{'f' * 12}"
    recipe: dict[str, object] = {
        "architecture": {"name": "hrnet", "variant": "demo"}, "evaluation": {"monitor": "AP@gt"}
    }  # fmt: skip
    log = open_run("some", "f" * 64, folder, params=recipe, tags={"dataset": "people"})
    for epoch in (1, 2, 3):
        log.epoch(epoch, 10 * epoch, {"loss": 1 / epoch, "AP@gt": [0.1, 0.5, 0.4][epoch - 1]})
    picture = folder / "epoch_3.jpg"
    cv2.imwrite(str(picture), np.full((60, 90, 3), 128, np.uint8))
    log.picture(picture, "predictions")
    assert log.close("FINISHED") is None and log.run_id
    registry = Registry()
    registry.client.create_registered_model("pose-old", description="mine")
    version = registry.add("pose-some", f"runs:/{log.run_id}", None, str(log.run_id), dict(TAGS))
    registry.point("pose-some", "champion", version.number)
    registry.tag(version, decision="promoted")
    return str(log.run_id)


@pytest.mark.contract
def test_the_experiment_the_run_and_the_models_are_described(told: str) -> None:
    client = mlflow_client()
    run = client.get_run(told)
    experiment = client.get_experiment(run.info.experiment_id)
    picture = f"get-artifact?path=predictions%2Fepoch_3.jpg&run_uuid={told}"
    assert experiment.tags[NOTE].startswith(EXPERIMENT) and picture in experiment.tags[NOTE]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    tags = {key: value for key, value in run.data.tags.items() if "." not in key}
    assert tags == {
        "architecture": "hrnet demo", "best": "AP@gt 0.500, epoch 2", "dataset": "people"
    }  # fmt: skip
    model = client.get_registered_model("pose-some")
    assert 'load_model("models:/pose-some@champion")' in model.description
    assert picture in model.description
    version = client.get_model_version("pose-some", "1")
    assert picture in version.description and version.tags["decision"] == "promoted"
    names = [each.name for each in client.search_experiments()]
    assert names == ["limber"], "MLflow's own `Default` is gone"


@pytest.mark.contract
def test_what_a_person_wrote_stays(told: str) -> None:
    registry, run = Registry(), mlflow_client().get_run(told)
    registry.client.set_experiment_tag(run.info.experiment_id, NOTE, "ours")
    registry.client.update_registered_model("pose-some", "ours")
    registry.point("pose-some", "champion", "1")
    command.runs_page(tracking_uri())
    assert registry.client.get_experiment(run.info.experiment_id).tags[NOTE] == "ours"
    assert registry.client.get_registered_model("pose-some").description == "ours"


@pytest.mark.contract
def test_what_comes_after_a_training_goes_by_its_outbox(
    told: str, tmp_path: Path, module_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    for name in ("evaluation.json", "predictions_gt.json"):
        (folder / name).write_text("{}")
    numbers = {"analysis/miss@gt": 0.25, "analysis/swap@gt": float("nan")}
    assert attach_folder(told, "f" * 64, "some", folder, numbers, ["predictions_*.json"])
    client = mlflow_client()
    assert [f.path for f in client.list_artifacts(told, "evaluation")] == [
        "evaluation/evaluation.json"
    ]
    assert client.get_run(told).data.metrics["analysis/gt/miss"] == 0.25
    away, outbox = "http://127.0.0.1:9", module_home / "runs" / f"away-{'e' * 12}" / OUTBOX_NAME
    log = open_run("away", "e" * 64, outbox.parent, params={}, tags={}, uri=away)
    assert log.close("FINISHED", 0.1) == outbox
    assert not attach_folder(None, "e" * 64, "away", folder, {}), "the server is away"
    assert f"later: python -m pipelines.tracking {outbox}" in capsys.readouterr().err
    moved = outbox.read_text().replace(away, tracking_uri())
    outbox.write_text(re.sub(r', "crc": \d+', "", moved))
    assert command.main([str(outbox)]) == 0, "it waited there"
    run = capsys.readouterr().out.split()[-1]
    assert len(client.list_artifacts(run, "evaluation")) == 2


@pytest.fixture
def page(told: str) -> Iterator[str]:
    """The address that `make ui` prints, while it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ask = [sys.executable, "-m", "pipelines.tracking", "ui", "--port", str(port)]
    with subprocess.Popen(ask, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        wait_for(f"http://127.0.0.1:{port}/health")
        yield found[0]
        server.terminate()


def wait_for(address: str) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address} does not answer")


def seen(address: str, profile: Path) -> str:
    """What a browser makes of an address: the text of the page once its scripts have run."""
    ask = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1500,2000"]
    ask += [f"--user-data-dir={profile}", "--virtual-time-budget=30000", "--dump-dom", address]
    done = subprocess.run(ask, capture_output=True, text=True, timeout=240, check=True)
    return done.stdout


@pytest.mark.full
@pytest.mark.contract
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_charts_by_protocol_and_descriptions(
    page: str, told: str, tmp_path: Path, module_home: Path
) -> None:
    runs = seen(page, tmp_path)
    assert re.search(r">gt(?:<[^>]*>| )*\(", runs), "one group of charts for a protocol"
    assert "some" in runs and "Default" not in runs
    root = page.partition("#")[0]
    run = seen(f"{root}#/experiments/1/runs/{told}", tmp_path)
    for text in ("hrnet demo", "AP@gt 0.500, epoch 2", "people"):
        assert text in run
    version = seen(f"{root}#/models/pose-some/versions/1", tmp_path)
    assert "make repro RECIPE=some" in version
    assert f"get-artifact?path=predictions%2Fepoch_3.jpg&amp;run_uuid={told}" in version
    wide: dict[str, object] = {"architecture": {"name": "hrnet", "variant": "w32"}}
    log = open_run("other", "d" * 64, module_home / "runs" / "other", params=wide, tags={})
    assert log.close("FINISHED") is None
    two = f"%5B%22{told}%22,%22{log.run_id}%22%5D"
    both = seen(f"{root}#/compare-runs?runs={two}&experiments=%5B%221%22%5D", tmp_path)
    for text in ("Comparing 2 Runs from 1 Experiment", "some", "other", "variant", "w32"):
        assert text in both
