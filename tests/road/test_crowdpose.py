"""CrowdPose down the road: fetch, prepare all splits, a training step, AP by crowding on test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.evaluators.crowdpose import CrowdPoseEvaluator
from pipelines import evaluate, fetch
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.recipe.reader import load_recipe, read_recipe
from tests.worlds.crowdpose_files import write_source
from tests.worlds.trained import train_in_place


@pytest.fixture
def prepared(tmp_path: Path, home: Path, one_thread: None) -> dict[str, Any]:
    write_source(tmp_path / "source")
    fetch.fetch("crowdpose", {"source": str(tmp_path / "source")})
    prepare("crowdpose", 0.0)
    return dict(json.loads((places.prepared("crowdpose") / "summary.json").read_text()))


def test_from_fetch_to_ap_by_crowding(prepared: dict[str, Any]) -> None:
    assert {s: c["training_persons"] for s, c in prepared["splits"].items()} == {
        "train": 4, "val": 4, "trainval": 8, "test": 4}  # fmt: skip
    content = load_recipe("demo_hrnet").as_dict() | {"dataset": "crowdpose", "input_size": [64, 64]}
    content["training"] |= {"epochs": 1, "global_batch": 4, "ema_decay": None}
    content["evaluation"] |= {"evaluator": "crowdpose", "train_split": "trainval", "split": "test"}
    made = read_recipe(content, "a test's recipe")
    train_in_place("some", made, batch=4)
    evaluate.evaluate("some", made)
    metrics = json.loads((places.evaluated("some") / "metrics.json").read_text())
    assert {f"{name}@gt" for name in CrowdPoseEvaluator.names} <= set(metrics)
    assert metrics["AP_medium@gt"] == -1 and 0 <= metrics["AP_easy@gt"] <= 1


def test_a_file_of_coco_is_refused(tmp_path: Path, home: Path) -> None:
    write_source(tmp_path / "source")
    path = tmp_path / "source" / "json" / "crowdpose_val.json"
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = ["nose"] * 17
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"crowdpose_val.json: categories: person has the keypoin"):
        fetch.fetch("crowdpose", {"source": str(tmp_path / "source")})
    path.unlink()
    with pytest.raises(ValueError, match=r"no json/crowdpose_val.json or annotations/crowdpose_v"):
        fetch.fetch("crowdpose", {"source": str(tmp_path / "source")})
