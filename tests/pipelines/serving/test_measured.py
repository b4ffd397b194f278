"""What the gate measured is what is served: flip test, scales, decoding, each of them switched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mlflow.models import Model

from data.menus import DATASETS
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction.best_weights import Origin
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.predictor import predict
from pipelines.prediction.trained import Trained
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.serving.model_files import write_model_files
from pipelines.serving.pose_model import TAG, PoseModel
from tests.worlds.results import evaluation_record, hits, training_record, write_evaluation
from tests.worlds.results import recipe as top_down

pytestmark = pytest.mark.contract

BOXES = [[10.0, 20.0, 60.0, 90.0], [50.5, 5.0, 40.0, 100.0]]
SURE = 15  # people, the best
BOTTOM_UP: dict[str, Any] = {
    "architecture": {"name": "higher_hrnet", "variant": "demo"},
    "codec": {"name": "associative_embedding", "options": {"detection_threshold": 0.02}},
    "losses": {"heatmaps": {"name": "masked_mse"}, "tags": {"name": "pull_push"}},
    "augmentation": {"view": "whole_image"},
    "input_size": [128, 128],
}
CASES: dict[str, dict[str, Any]] = {  # what is switched, from how a recipe is evaluated by default
    "flip_test": {"evaluation": {"flip_test": False}},
    "decoding": {"codec": {"name": "heatmap", "options": {"decoding": "argmax"}}},
    "threshold": {"evaluation": {"keypoint_threshold": 0.6}},
    "bottom-up flip_test": BOTTOM_UP | {"evaluation": {"flip_test": False}},
    "bottom-up scales": BOTTOM_UP | {"evaluation": {"scales": [0.5, 1.0]}},
}
LONG = ("bottom-up flip_test", "bottom-up scales")


def recipe_of(changes: dict[str, Any]) -> Recipe:
    plain = top_down().as_dict() | {k: v for k, v in changes.items() if k != "evaluation"}
    monitor = "AP@image" if "view" in plain["augmentation"] else "AP@gt"
    plain["evaluation"] = {"evaluator": "oks", "monitor": monitor} | changes.get("evaluation", {})
    return read_recipe(plain, "test")


def trained_on(recipe: Recipe) -> Trained:
    """A network whose random fields have peaks, the same for every evaluation of it."""
    torch.manual_seed(1)
    network = build_architecture(recipe)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    record, codec = training_record("some", recipe, "d" * 64), build_codec(recipe)
    origin = Origin(1, record.fingerprint, record.data_hash)
    skeleton = DATASETS[recipe.dataset].SKELETON
    return Trained(recipe, network.eval(), codec, skeleton, torch.device("cpu"), origin)


def served(trained: Trained, folder: Path, image: np.ndarray) -> list[dict[str, Any]]:
    """Poses by the files that a version is made of, as the model that travels with them reads."""
    record = training_record("some", trained.recipe, "d" * 64)
    protocol = feed_kind(trained.codec).protocol
    evaluation = evaluation_record(record, trained.recipe, {protocol: 0.5})
    write_evaluation(places.evaluated("some"), evaluation, {protocol: hits(0.5)})
    folder.mkdir()
    files = write_model_files(trained, places.evaluated("some"), {}, folder)
    told = {f"{folder.name}/digests.json": file_digest(Path(files["digests"]))}
    Model(metadata={TAG: told}).save(folder.parent / "MLmodel")  # as MLflow writes it beside them
    model = PoseModel()
    model.load_context(SimpleNamespace(artifacts=files))  # type: ignore[arg-type]
    row = {"image": image} | ({} if trained.codec.whole_image else {"boxes": BOXES})
    poses: list[dict[str, Any]] = model.predict(None, [row])[0]["poses"]  # type: ignore[arg-type]
    return poses


def measured(trained: Trained, path: Path) -> np.ndarray:
    """[N, K, 3] of everyone as the recipe's evaluation reads them, and their scores behind [N]."""
    recipe, codec = trained.recipe, trained.codec
    boxes = Boxes(np.array([1, 1]), np.array(BOXES), np.ones(2), person_id=np.array([1, 2]))
    keep_all = replace(recipe, evaluation=replace(recipe.evaluation, nms_threshold=1.0))
    feed = feed_kind(codec)(keep_all, codec, {1: path}, boxes, {})
    predictions = predict(
        trained.network,
        codec,
        trained.skeleton,
        feed.batches(feed.groups(8)),
        "cpu",
        pixels=recipe.pixels,
        flip_test=recipe.evaluation.flip_test,
    )
    return table([
        {"keypoints": np.column_stack([p.keypoints_image, p.keypoint_scores]), "score": p.score}  # type: ignore[list-item]
        for p in feed.poses(predictions)[1]
    ])  # fmt: skip


def table(poses: list[dict[str, Any]]) -> np.ndarray:
    """[N, K + 1, 3]: keypoints and, last, the pose's score; the best first."""
    best = sorted(poses, key=lambda pose: (-round(pose["score"], 5), pose["keypoints"][0][0]))
    return np.array(
        [[*np.asarray(p["keypoints"]).tolist(), [0, 0, p["score"]]] for p in best[:SURE]]
    )


@pytest.mark.parametrize(
    "switched",
    [pytest.param(n, marks=[pytest.mark.full] if n in LONG else []) for n in CASES],
)
def test_a_version_answers_as_it_was_measured(switched: str, home: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    image = cv2.resize(noise, (150, 110), interpolation=cv2.INTER_CUBIC)
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    changes = CASES[switched]
    default = {k: v for k, v in changes.items() if k != "evaluation"} if "up" in switched else {}
    trained = trained_on(recipe_of(changes))
    ours, theirs = measured(trained, path), measured(trained_on(recipe_of(default)), path)
    np.testing.assert_allclose(table(served(trained, tmp_path / "version", image)), ours, atol=0.05)
    differ = ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=0.05)
    assert differ, "what was switched shows in what is measured"
