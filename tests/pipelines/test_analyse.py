"""The analysis of predictions on drawn and on real people: page, numbers, pictures, MLflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.evaluators.matching.errors import KINDS
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Pose
from data.menus import DATASETS
from pipelines import analyse
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from pipelines.prediction.coco_results import results_rows
from tests.worlds.drawn import draw_at_home
from tests.worlds.results import evaluation_record, recipe, training_record

NAME = "some"


@pytest.fixture
def attached() -> list[tuple[Any, ...]]:
    """What would go to MLflow."""
    return []


@pytest.fixture
def drawn(home: Path) -> str:
    draw_at_home(train=2, val=6)
    return "stick_figures"


@pytest.fixture
def real(real_coco: Path) -> str:
    prepare("coco", 0.0)
    return "coco"


def evaluated(dataset: str, protocols: tuple[str, ...] = ("gt",), noise: float = 0.05) -> Path:
    """results/<NAME>/evaluation of the truth moved about, as evaluate leaves it."""
    raw, folder = places.raw(dataset), places.evaluated(NAME)
    folder.mkdir(parents=True)
    metrics: dict[str, float] = {}
    for protocol in protocols:
        evaluator, rows = OksEvaluator(DATASETS[dataset].SKELETON), []
        for image, people in DATASETS[dataset].truth(raw, "val").items():
            found = [shaken(pose, noise, image) for pose in people if pose.visibility.any()]
            evaluator.add(image, found, people)
            rows += results_rows({image: found})
        (folder / f"predictions_{protocol}.json").write_text(json.dumps(rows))
        evaluator.matches().save(folder / f"matches_{protocol}.npz")
        metrics |= {f"{key}@{protocol}": value for key, value in evaluator.result().items()}
    record = evaluation_record(training_record(NAME, recipe(), data_hash(dataset)), recipe(), {})
    record = replace(record, dataset=dataset, run_id="r1", numbers=metrics, others=metrics)
    record.write(folder)
    return folder


def shaken(pose: Pose, noise: float, seed: int) -> Pose:
    rng = np.random.default_rng(seed)
    at = pose.keypoints_image + rng.normal(0, noise * np.sqrt(pose.area), (17, 2))
    return replace(pose, keypoints_image=at, score=rng.random(), keypoint_scores=rng.random(17))


@pytest.mark.parametrize("dataset", ["drawn", "real"])
def test_page_numbers_and_pictures(
    dataset: str, request: pytest.FixtureRequest, attached: list[tuple[Any, ...]]
) -> None:
    folder = evaluated(request.getfixturevalue(dataset), ("gt", "det"))
    metrics = EvaluationRecord.read(folder).numbers
    analyse.analyse(NAME, lambda *given: attached.append(given))
    made = places.analysed(NAME)
    numbers = json.loads((made / "analysis.json").read_text())["gt"]
    assert numbers["intervals"]["AP"]["value"] == metrics["AP@gt"]
    assert 0 < numbers["intervals"]["AP"]["low"] <= metrics["AP@gt"]
    assert sum(numbers["errors"].values()) == pytest.approx(1)
    assert 0 < numbers["errors"]["good"] < 1 and numbers["errors"]["jitter"] > 0.1
    assert set(numbers["keypoints"]) == set(DATASETS["coco"].SKELETON.keypoints)
    for by in ("size", "keypoints", "crowding"):
        groups = [row for row in numbers["groups"] if row["by"] == by]
        assert sum(row["people"] for row in groups) == numbers["people"], by
    lost = [row["lost_oks"] for row in numbers["worst"]]
    assert lost == sorted(lost, reverse=True) and 0 < len(lost) <= analyse.WORST
    page = (made / "analysis.md").read_text()
    assert "AP@gt" in page and "AP@det" in page and all(kind in page for kind in KINDS)
    for name in ("errors_gt.png", "groups_det.png", numbers["worst"][0]["picture"]):
        assert cv2.imread(str(made / name)).std() > 5, name
        assert name in page
    ((run, fingerprint, name, to, shares),) = attached
    assert (run, fingerprint, name, to) == (
        "r1",
        EvaluationRecord.read(folder).fingerprint,
        NAME,
        made,
    )
    assert shares["analysis/miss@gt"] == numbers["errors"]["miss"]


def test_more_noise_more_errors(drawn: str, attached: list[tuple[Any, ...]]) -> None:
    evaluated(drawn, noise=0.0)
    analyse.analyse(NAME, lambda *given: attached.append(given))
    made = json.loads((places.analysed(NAME) / "analysis.json").read_text())
    assert made["gt"]["errors"]["good"] == 1.0
    assert made["gt"]["worst"] == [], "nothing is wrong anywhere"
    assert all(row["AP"]["value"] == pytest.approx(1) for row in made["gt"]["groups"])


def test_wrong_input_is_named(drawn: str, capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> str:
        assert analyse.main([NAME]) == 2
        return capsys.readouterr().err

    assert "evaluation: no evaluation in it" in refused()
    folder = evaluated(drawn)
    note, digest = places.prepared(drawn) / "summary.json", data_hash(drawn)
    before = note.read_text()
    note.write_text(before.replace(digest, "e" * 64))
    assert f"evaluated on data {digest:.12}, prepared is eeeeeeeeeeee" in refused()
    note.write_text(before)
    (folder / "predictions_gt.json").rename(folder / "away.json")
    assert "no predictions_*.json" in refused()
    record = EvaluationRecord.read(folder)
    replace(record, protocol=replace(record.protocol, evaluator="pckh")).write(folder)
    assert "scored by pckh, accepted: oks" in refused()
    assert not places.analysed(NAME).exists()
