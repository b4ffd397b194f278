"""Evaluation over the official truth: numbers equal pycocotools', files whole, errors clear."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data.evaluators import load_matches
from data.ground.sample import Pose
from data.menus import DATASETS
from pipelines import evaluate
from pipelines.evaluation.record import Identity
from pipelines.host import places
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.drawn import draw_at_home
from tests.worlds.results import OWN_BOXES, write_results
from tests.worlds.trained import save_trained

NUMBERS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def drawn(home: Path) -> Recipe:
    """Six drawn images, prepared; the recipe that evaluates on them."""
    draw_at_home(train=2, val=6)
    return load_recipe("demo_hrnet")


@pytest.fixture
def real(real_coco: Path) -> Recipe:
    """The small real COCO folder; a demo network's recipe that evaluates on its val split."""
    prepare("coco", 0.0)
    return replace(load_recipe("demo_hrnet"), dataset="coco")


def plain_pycocotools(dataset: str, split: str, predictions: Path) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(DATASETS[dataset].truth_file(places.raw(dataset), split)))
        scored = COCOeval(truth, truth.loadRes(str(predictions)), "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return [float(value) for value in scored.stats]


def noisy_truth(dataset: str, split: str) -> Callable[..., list[dict[int, list[Pose]]]]:
    """Stands in for a network: the truth, moved about by some pixels, some people twice."""
    truth = DATASETS[dataset].truth(places.raw(dataset), split)

    def read_poses(*_: object, **__: object) -> list[dict[int, list[Pose]]]:
        rng = np.random.default_rng(2)
        return [{i: list(moved(rng, people)) for i, people in truth.items()} for _ in range(2)]

    def moved(rng: np.random.Generator, people: list[Pose]) -> list[Pose]:
        found = []
        for pose in people * 2:
            jitter = rng.normal(0, np.sqrt(pose.area) * 0.05, pose.keypoints_image.shape)
            scores = rng.random(len(jitter))
            at = pose.keypoints_image + jitter
            found.append(replace(pose, keypoints_image=at, score=rng.random(),
                                 keypoint_scores=scores))  # fmt: skip
        return found

    return read_poses


@pytest.mark.contract  # MLflow asks the machine by a process
def test_the_stage_leaves_what_the_next_ones_read(drawn: Recipe, tmp_path: Path) -> None:
    save_trained("demo_hrnet", drawn)
    assert evaluate.main(["demo_hrnet"]) == 0
    folder = places.evaluated("demo_hrnet")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == {f"{name}@gt" for name in NUMBERS} | {"no_flip"}
    assert set(metrics["no_flip"]) == {f"{name}@gt" for name in NUMBERS}
    assert json.loads((folder.parent / "metrics.json").read_text()) == metrics
    about = json.loads((folder / "evaluation.json").read_text())
    assert about["run_id"] == "r1" and about["fingerprint"] == "f" * 64 and about["epoch"] == 3
    assert about["counts"]["gt"]["images"] == 6
    assert set(about["cost"]) == {"params", "exact_g", "exact_gi", "hr_g", "hr_gi"}
    matches = load_matches(folder / "matches_gt.npz")
    assert len(matches.image_ids) == 6 and matches.positives.sum() == about["counts"]["gt"]["boxes"]
    rows = json.loads((folder / "predictions_gt.json").read_text())
    assert len(rows) == len(matches.scores)
    assert len(list((folder / "overlays").glob("*.jpg"))) > 0
    assert not list(folder.parent.glob("*.part")) and not list(folder.parent.glob(".*"))


@pytest.mark.parametrize("source", ["drawn", "real"])
def test_numbers_equal_those_of_plain_pycocotools(
    source: str, request: pytest.FixtureRequest
) -> None:
    recipe = request.getfixturevalue(source)
    save_trained("some", recipe)
    folder = evaluate.evaluate("some", recipe, noisy_truth(recipe.dataset, "val"))
    metrics = json.loads((folder / "metrics.json").read_text())
    expected = plain_pycocotools(recipe.dataset, "val", folder / "predictions_gt.json")
    assert 0.05 < metrics["AP@gt"] < 0.95
    assert [metrics[f"{name}@gt"] for name in NUMBERS] == expected


def test_both_protocols_on_real_images(real: Recipe) -> None:
    save_trained("some", real)
    folder = evaluate.evaluate("some", real)
    about = json.loads((folder / "evaluation.json").read_text())
    assert about["counts"]["gt"]["images"] == about["counts"]["det"]["images"] == 18
    assert about["counts"]["det"]["images_without_boxes"] == 10
    assert about["counts"]["det"]["boxes"] == 250 and about["counts"]["gt"]["boxes"] == 28
    metrics = json.loads((folder / "metrics.json").read_text())
    for protocol in ("gt", "det"):
        expected = plain_pycocotools("coco", "val", folder / f"predictions_{protocol}.json")
        assert [metrics[f"{name}@{protocol}"] for name in NUMBERS] == expected


def own_detections(raw: Path, text: str) -> None:
    """Other detections in `raw`, a link to the samples, which becomes a copy of them."""
    samples = raw.resolve()
    raw.unlink()
    name = "COCO_val2017_detections_AP_H_56_person.json"
    shutil.copytree(samples, raw, ignore=shutil.ignore_patterns("person_detection_results"))
    raw.chmod(0o755)
    (raw / "person_detection_results").mkdir()
    (raw / "person_detection_results" / name).write_text(text)


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], "det: no boxes"), ([(18, 3), (1, 1)], "other categories than person left out: 18 (3)")],
)
def test_a_detector_that_found_next_to_nobody_is_scored_and_counted(
    real: Recipe,
    rows: list[tuple[int, int]],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_trained("some", real)
    image_id = next(iter(DATASETS["coco"].truth(places.raw("coco"), "val")))
    row = {"image_id": image_id, "bbox": [1.0, 2.0, 30.0, 40.0], "score": 0.9}
    found = [{**row, "category_id": c} for c, n in rows for _ in range(n)]
    own_detections(places.raw("coco"), json.dumps(found))
    folder = evaluate.evaluate("some", real)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert [metrics[f"{name}@det"] for name in NUMBERS] == [0.0] * len(NUMBERS)
    counts = json.loads((folder / "evaluation.json").read_text())["counts"]["det"]
    people = sum(n for category, n in rows if category == 1)
    assert (counts["boxes"], counts["images"]) == (people, 18)
    assert counts.get("other_categories_left_out") == ({"18": 3} if rows else None)
    assert said in capsys.readouterr().out
    matches = load_matches(folder / "matches_det.npz")
    assert matches.resampled(np.ones((1, 18), np.int32)).tolist() == [0.0]


def test_an_evaluator_that_goes_by_person_has_no_use_for_a_detector(real: Recipe) -> None:
    changes = replace(real.evaluation, evaluator="keypoint_distance", monitor="PCK@0.1@gt")
    recipe = replace(real, evaluation=changes)
    save_trained("some", recipe)
    folder = evaluate.evaluate("some", recipe)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) - {"no_flip"} == {
        "PCK@0.05@gt",
        "PCK@0.1@gt",
        "PCK@0.2@gt",
        "AUC@gt",
        "NME@gt",
    }
    assert 0 < metrics["PCK@0.1@gt"] < metrics["PCK@0.2@gt"] < 0.5 < 1 < 5 * metrics["NME@gt"]
    matches = load_matches(folder / "matches_gt.npz")
    assert matches.resampled(np.ones((1, 18), np.int32))[0] == metrics["PCK@0.1@gt"]


def test_flip_test_is_what_the_recipe_says(drawn: Recipe) -> None:
    without = replace(drawn, evaluation=replace(drawn.evaluation, flip_test=False))
    found = {}
    for name, recipe in (("with", drawn), ("without", without)):
        save_trained(name, recipe)
        found[name] = json.loads((evaluate.evaluate(name, recipe) / "metrics.json").read_text())
    swapped = {k: v for k, v in found["without"].items() if k != "flip"}
    assert found["with"]["no_flip"] == swapped
    assert found["without"]["flip"] == {k: v for k, v in found["with"].items() if k != "no_flip"}


@pytest.mark.contract  # MLflow asks the machine by a process
def test_the_same_weights_read_by_another_option(
    drawn: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(save_trained("demo_hrnet", drawn), weights_only=True)["model"]
    assert evaluate.main(["demo_hrnet", "--decode", "decoding=argmax"]) == 0
    assert "no evaluation to set beside it" in capsys.readouterr().out
    folder = places.decoded("demo_hrnet", "decoding=argmax")
    own = places.evaluated("demo_hrnet")
    assert not own.exists() and not places.recipe_metrics("demo_hrnet").exists()
    assert evaluate.main(["demo_hrnet"]) == 0
    before = places.recipe_metrics("demo_hrnet").read_text()
    assert evaluate.main(["demo_hrnet", "--decode", "decoding=argmax"]) == 0
    said = capsys.readouterr().out
    assert "demo_hrnet, decoding=argmax: AP@gt " in said and "by the recipe" in said
    assert places.recipe_metrics("demo_hrnet").read_text() == before
    about = json.loads((folder / "evaluation.json").read_text())
    assert about["decode"] == {"decoding": "argmax"} and "decode" not in evaluation_of(own)
    assert about["recipe_digest"] == drawn.digest()
    options = drawn.codec.options | {"decoding": "argmax"}
    trained_so = replace(drawn, codec=replace(drawn.codec, options=options))
    save_trained("so", trained_so, model=state)
    found = [
        (each / "predictions_gt.json").read_text()
        for each in (folder, evaluate.evaluate("so", trained_so), own)
    ]
    assert found[0] == found[1] != found[2]
    assert evaluate.main(["demo_hrnet", "--decode", "sigma=3", "decoding=argmax"]) == 2
    assert evaluate.main(["demo_hrnet", "--decode", "decoding=argmax", "--ceiling"]) == 2


def evaluation_of(folder: Path) -> dict[str, object]:
    about: dict[str, object] = json.loads((folder / "evaluation.json").read_text())
    return about


def test_detections_of_another_data_set_leave_nothing_behind(
    drawn: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_trained("demo_hrnet", drawn)
    path = places.home() / "boxes.json"
    path.write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9],
                                 "score": 1.0}]))  # fmt: skip
    module = DATASETS["stick_figures"]
    monkeypatch.setattr(module, "detections_file", lambda root, split: path, raising=False)
    assert evaluate.main(["demo_hrnet"]) == 2
    said = capsys.readouterr().err
    assert "boxes.json: row 0: image_id 1" in said and "another data set" in said
    assert not places.evaluated("demo_hrnet").exists()


def test_a_checkpoint_that_does_not_fit_is_named(
    drawn: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> str:
        assert evaluate.main(["demo_hrnet"]) == 2
        return capsys.readouterr().err

    assert "best.pt: no such file; run `make repro RECIPE=demo_hrnet`" in refused()
    path = save_trained("demo_hrnet", replace(drawn, seed=9))
    assert "seed differ from recipes/demo_hrnet.yaml" in refused()
    other = build_architecture(load_recipe("demo_simple_baseline")).state_dict()
    save_trained("demo_hrnet", drawn, model=other)
    assert "best.pt: does not fit HRNet" in refused()
    save_trained("demo_hrnet", drawn, data_hash="e" * 64)
    assert f"trained on data eeeeeeeeeeee, prepared is {data_hash(drawn.dataset):.12}" in refused()
    path.write_bytes(path.read_bytes()[:1000])
    assert "damaged" in refused()
    torch.save({"model": {}}, path)
    assert "no checkpoint of `train`: lacks" in refused()
    assert not places.evaluated("demo_hrnet").exists()


def test_test_dev_file_has_the_official_name(real: Recipe, tmp_path: Path) -> None:
    save_trained("some", real)
    root = places.raw("coco")
    info = root / "annotations/person_keypoints_val2017.json"
    boxes = DATASETS["coco"].detections_file(root, "val")
    assert boxes is not None
    evaluate.evaluate_test_dev("some", boxes, root / "val2017", info, real)
    path = places.home() / "results/some/test_dev/person_keypoints_test-dev2017_some_results.json"
    rows = json.loads(path.read_text())
    assert {row["image_id"] for row in rows} <= {int(p.stem) for p in (root / "val2017").iterdir()}
    assert len(rows[0]["keypoints"]) == 51
    with pytest.raises(ValueError, match=r"lacks .* of the images that have boxes"):
        evaluate.evaluate_test_dev("some", boxes, tmp_path, info, real)
    assert evaluate.main(["some", "--test-dev", "--detections", str(boxes)]) == 2


def test_the_champion_is_evaluated_on_another_data_set(
    drawn: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_trained("champion", replace(drawn, dataset="coco"), data_hash="d" * 64)
    digest = data_hash("stick_figures")
    identity = Identity("some", "r9", slot="pose-coco", version="4")
    evaluate.evaluate_champion("pose-coco", "stick_figures", lambda slot: (path, identity))
    folder = places.home() / "results/champions/pose-coco" / f"stick_figures-{digest:.12}"
    about = json.loads((folder / "evaluation.json").read_text())
    assert about["slot"] == "pose-coco" and about["version"] == "4"
    assert about["dataset"] == "stick_figures" and about["data_hash"] == digest
    assert (folder / "matches_gt.npz").is_file()
    assert evaluate.main(["--champion", "pose-coco", "--dataset", "stick"]) == 2
    assert f"accepted: {', '.join(DATASETS)}" in capsys.readouterr().err


def test_whose_boxes_are_told_to_the_run(home: Path) -> None:
    write_results("some", protocols=("gt", "det"), boxes_from=OWN_BOXES)
    write_results("other", protocols=("gt",))
    given: list[tuple[Any, ...]] = []
    for name in ("some", "other"):
        evaluate.attach_evaluation(name, places.evaluated(name), lambda *args: given.append(args))
    (*_, numbers, _, tags), (*_, none, _, untagged) = given
    assert numbers == {"boxes_AP@det": 0.323, "boxes_AP50@det": 0.568, "boxes_AR@det": 0.43}
    assert tags == {
        "limber.detector": "nanodet (boxes AP 0.323, AR 0.430)", "limber.boxes_sha256": "b" * 64
    }  # fmt: skip
    assert none == {} and untagged == {}
