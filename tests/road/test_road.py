"""The whole road on a few drawn people: DVC, two Ray workers, MLflow, a champion; then again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.worlds.checkouts import run, small_road, start_dvc

CHAMPION = """
import json, sys, numpy, mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/pose-coco@champion")
answer = model.predict([{"image": numpy.full((90, 70, 3), 128, numpy.uint8)}])
print(json.dumps(list(answer)))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "limber"
    small_road(folder, {"demo_simple_baseline": {"epochs": 2, "global_batch": 16}})
    start_dvc(folder)
    return folder


@pytest.mark.timeout(600)
def test_from_nothing_to_a_champion_and_nothing_left_to_do(checkout: Path, tmp_path: Path) -> None:
    said = run(checkout, sys.executable, "-m", "pipelines.road")
    assert "champion of pose-coco: version 1, demo_simple_baseline" in said
    results = checkout / "results/demo_simple_baseline"
    metrics = json.loads((results / "metrics.json").read_text())
    summary = json.loads((results / "trained/summary.json").read_text())
    assert 0 <= metrics["AP@gt"] <= 1
    assert summary["world_size"] == 2
    assert summary["epochs"] == 2
    report = (checkout / "reports/comparison.md").read_text()
    assert "demo_simple_baseline" in report
    assert summary["data_hash"][:8] in report

    uri = f"sqlite:///{checkout / 'mlflow.db'}"
    answer = json.loads(run(tmp_path, sys.executable, "-c", CHAMPION, uri).splitlines()[-1])
    assert answer[0]["whole_image"] is True
    assert len(answer[0]["poses"][0]["keypoints"]) == 17

    before = (checkout / "dvc.lock").read_bytes()
    assert "Nothing to do" in run(checkout, sys.executable, "-m", "pipelines.road")
    assert (checkout / "dvc.lock").read_bytes() == before
    ui, *commands = [
        line.partition("#")[0].split() for line in said.split("  next:\n")[1].splitlines()
    ]
    assert ui == ["make", "ui"]
    assert [command[1] for command in commands] == ["show", "evaluate", "add"]
    for command in commands[:2]:
        run(checkout, *command)
    assert list((checkout / "reports/shown/demo_simple_baseline").glob("*.*"))
