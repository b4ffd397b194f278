"""Bottom-up models in the registry: both codecs, elsewhere, as here; no boxes; any image."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import collate_whole
from pipelines.host import places
from pipelines.prediction.best_weights import BestWeights
from pipelines.prediction.named import open_reader
from pipelines.prediction.poses import people_by_image
from pipelines.prediction.predictor import predict
from pipelines.prediction.trained import load_trained
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.registry.gate import read_candidate, register
from pipelines.registry.rules import RULES, read_rules, why_not
from pipelines.registry.versions import Registry
from tests.worlds.elsewhere import elsewhere
from tests.worlds.results import COST, evaluation_record, hits, training_record, write_evaluation
from tests.worlds.results import recipe as top_down

pytestmark = pytest.mark.contract

SLOT = "pose-coco-bottom-up"
SURE = 15  # people, the best
TAGS: dict[str, Any] = {
    "architecture": {"name": "higher_hrnet", "variant": "demo"},
    "codec": {"name": "associative_embedding", "options": {"detection_threshold": 0.02}},
    "losses": {"heatmaps": {"name": "masked_mse"}, "tags": {"name": "pull_push"}},
}
LIMBS: dict[str, Any] = {
    "architecture": {"name": "lightweight_openpose", "variant": "demo"},
    "codec": {"name": "part_affinity_fields", "options": {"min_score": -9.0, "min_share": 0.0}},
    "losses": {"heatmaps": {"name": "masked_sse"}, "pafs": {"name": "masked_sse"}},
    "pixels": "openpose_bgr",
}
MODELS = {  # name -> what it differs in, and how it is evaluated
    "tags": (TAGS, {}),
    "tags_other": (
        TAGS | {"codec": {"name": "associative_embedding", "options": {"refine": False}}},
        {"scales": [0.5, 1.0]},
    ),
    "limbs": (LIMBS, {"flip_test": False}),
}


def bottom_up(content: dict[str, Any], evaluation: dict[str, Any]) -> Recipe:
    plain = top_down().as_dict() | content
    plain["augmentation"] = {"view": "whole_image"}
    plain["input_size"] = [128, 128]
    plain["evaluation"] = {"evaluator": "oks", "monitor": "AP@image"} | evaluation
    return read_recipe(plain, "test")


def write_model(name: str) -> None:
    """results/<name> of a network whose random fields have peaks."""
    made, folder = bottom_up(*MODELS[name]), places.trained(name)
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    network = build_architecture(made)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    training = training_record(name, made, "d" * 64)
    fingerprint, data_hash = training.fingerprint, training.data_hash
    best = BestWeights(made.as_dict(), network.state_dict(), 1, fingerprint, data_hash)
    best.write(places.best_weights(name))
    record = evaluation_record(training, made, {"image": 0.5})
    write_evaluation(places.evaluated(name), record, {"image": hits(0.5)})


@pytest.fixture(scope="module")
def home(module_home: Path) -> Path:
    """A home whose registry holds a version of each model in the bottom-up slot."""
    registry, rule = Registry(), read_rules(RULES)[SLOT]
    for name in MODELS:
        write_model(name)
        register(registry, SLOT, read_candidate(name), rule)
    return module_home


def picture(width: int = 150, height: int = 110) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def expected(name: str, path: Path) -> list[np.ndarray]:
    """[K, 3] of everyone by the code that evaluates, best first."""
    trained = load_trained(places.best_weights(name), name, None)
    settings = trained.recipe.evaluation
    dataset = ResizedDataset([path], trained.codec.resize, 128, settings.scales)
    given = (trained.network.cpu(), trained.codec, trained.skeleton, [collate_whole([dataset[0]])])
    found = predict(*given, "cpu", pixels=trained.recipe.pixels, flip_test=settings.flip_test)
    people = people_by_image(found, [0])[0]
    return [np.column_stack([p.keypoints_image, p.keypoint_scores]) for p in people]  # type: ignore[list-item]


ELSEWHERE = """
import importlib.util, json, sys
assert all(importlib.util.find_spec(name) is None for name in ("pipelines", "models", "data"))
import cv2, mlflow
mlflow.set_tracking_uri(sys.argv[1])
image = cv2.cvtColor(cv2.imread("picture.png"), cv2.COLOR_BGR2RGB)
slot = "models:/pose-coco-bottom-up"
loaded = [mlflow.pyfunc.load_model(f"{slot}/{number}") for number in (1, 2, 3)]
answers = [model.predict([{"image": image}])[0] for model in loaded]
try:
    loaded[0].predict([{"image": image, "boxes": [[0, 0, 9, 9]]}])
except ValueError as error:
    refused = str(error)
odd = ["dot.png", "strip.png", "grey.png", "cmyk.jpg", "turned.jpg"]
rows = [{"image": open(name, "rb").read()} for name in odd]
counts = [[len(answer["poses"]) for answer in model.predict(rows)] for model in loaded]
print(json.dumps({"answers": answers, "refused": refused, "counts": counts}))
"""


def write_odd_images(folder: Path) -> None:
    from PIL import Image

    cv2.imwrite(str(folder / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    cv2.imwrite(str(folder / "strip.png"), picture(1000, 10))
    cv2.imwrite(str(folder / "grey.png"), picture()[..., 0])
    Image.fromarray(picture()).convert("CMYK").save(folder / "cmyk.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(picture()).save(folder / "turned.jpg", exif=turned)


@pytest.mark.full
def test_versions_elsewhere_answer_as_the_code_that_evaluates(home: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR))
    write_odd_images(tmp_path)
    command = [sys.executable, "-c", ELSEWHERE, f"sqlite:///{home}/mlflow.db"]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for name, answer in zip(MODELS, said["answers"], strict=True):
        people = expected(name, tmp_path / "picture.png")
        assert answer["whole_image"] and len(people) > SURE, name
        # random fields have hundreds of near ties: a last bit may regroup the weakest of them
        assert len(answer["poses"]) == pytest.approx(len(people), rel=0.02), name
        for pose, true in zip(answer["poses"][:SURE], people[:SURE], strict=True):
            np.testing.assert_allclose(pose["keypoints"], true, atol=0.05, err_msg=name)
    one, two, _ = said["answers"]
    assert one["poses"] != two["poses"], "two codecs, two answers"
    assert "accepted: images without boxes" in said["refused"]
    assert all(len(counts) == 5 for counts in said["counts"])


@pytest.mark.full
@pytest.mark.parametrize(("name", "number"), [(name, n) for n, name in enumerate(MODELS, 1)])
def test_versions_are_read_here_as_the_code_that_evaluates_reads(
    home: Path, tmp_path: Path, name: str, number: int
) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), cv2.cvtColor(picture(), cv2.COLOR_RGB2BGR))
    reader = open_reader(f"{SLOT}:{number}", device="cpu")
    assert not reader.needs_boxes
    (poses,) = reader.read([picture()], None)
    people = expected(name, path)
    assert len(people) == len(poses) > SURE
    for pose, true in zip(poses[:SURE], people[:SURE], strict=True):
        found = np.column_stack([pose.keypoints_image, np.asarray(pose.keypoint_scores)])
        np.testing.assert_allclose(found, true, atol=0.05)


def test_a_slot_leaves_out_models_without_its_protocols() -> None:
    rules = read_rules(RULES)
    assert "no AP under det or gt" in why_not(rules["pose-coco"], "coco", COST, {"AP@image": 0.9})
    assert why_not(rules[SLOT], "coco", COST, {"AP@image": 0.9}) == ""
    assert "no AP under image" in why_not(rules[SLOT], "coco", COST, {"AP@gt": 0.9})


@pytest.mark.full
@pytest.mark.parametrize("name", MODELS)
def test_fields_that_are_not_numbers_are_nobody(name: str, home: Path) -> None:
    trained = load_trained(places.best_weights(name), name, None)
    broken = {k: torch.full_like(v, float("nan")) if v.is_floating_point() else v
              for k, v in trained.network.state_dict().items()}  # fmt: skip
    trained.network.load_state_dict(broken)
    path = home / "picture.png"
    cv2.imwrite(str(path), picture())
    item = collate_whole([ResizedDataset([path], trained.codec.resize, 128)[0]])
    given = (replace(trained, device=torch.device("cpu")).network.cpu(), trained.codec)
    found = predict(
        *given, trained.skeleton, [item], "cpu", pixels=trained.recipe.pixels, flip_test=True
    )
    assert len(found.sample_id) == 0
