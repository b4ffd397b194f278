"""CrowdPose down the road: fetch, prepare all splits, a training step, AP by crowding on test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.datasets.crowdpose import CrowdPose
from data.evaluators.crowdpose import CrowdPoseEvaluator
from pipelines import evaluate, fetch
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.recipe.reader import load_recipe, read_recipe
from tests.worlds.trained import train_in_place


def write_source(root: Path) -> None:
    """Two images with two people each per split; trainval is both of its parts."""
    rng = np.random.default_rng(1)
    (root / "images").mkdir(parents=True)
    (root / "json").mkdir()
    numbers = {"train": [1, 2], "val": [3, 4], "trainval": [1, 2, 3, 4], "test": [5, 6]}
    category = {"id": 1, "name": "person", "keypoints": list(CrowdPose.SKELETON.keypoints)}
    for n in range(1, 7):
        picture = rng.integers(0, 256, (160, 200, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / f"{n}.jpg"), picture)
    for split, ids in numbers.items():
        images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 160,
                   "crowdIndex": [0.0, 0.9][n % 2]} for n in ids]  # fmt: skip
        people = [person(10 * n + k, n, 20 + 70 * k) for n in ids for k in range(2)]
        content = {"images": images, "annotations": people, "categories": [category]}
        (root / "json" / f"crowdpose_{split}.json").write_text(json.dumps(content))


def person(number: int, image_id: int, x: int) -> dict[str, Any]:
    keypoints = [v for k in range(14) for v in (x + 4 * k, 20 + 8 * k, 2)]
    return {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints,
            "bbox": [x - 5, 10, 70, 130], "iscrowd": 0, "num_keypoints": 14}  # fmt: skip


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
