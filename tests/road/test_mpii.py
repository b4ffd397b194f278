"""MPII down the road: fetch, prepare, a training step, PCKh of it, in both layouts and for real."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from data.datasets.mpii import Mpii
from data.evaluators import load_matches
from data.evaluators.pckh import PckhEvaluator
from data.feeds.person_crops import TopDownDataset
from data.files.table import Table
from data.views.geometry import box_to_view, move
from pipelines import evaluate, fetch
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.prediction.boxes import truth_boxes
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.mpii_files import rectangle, row, write_images, write_json, write_release
from tests.worlds.trained import train_in_place

pytestmark = pytest.mark.usefixtures("home", "one_thread")


def demo(**evaluation: Any) -> Recipe:
    settings = {"evaluator": "pckh", "monitor": "PCKh@0.5@gt", "flip_test": True}
    content = {
        "dataset": "mpii",
        "seed": 1,
        "input_size": [64, 64],
        "architecture": {"name": "simple_baseline", "variant": "demo"},
        "codec": {"name": "heatmap", "options": {"sigma": 1.0}},
        "losses": {"heatmaps": {"name": "keypoint_mse"}},
        "augmentation": {"scale": 0.25, "rotation": 30.0},
        "optimizer": {"name": "adam", "learning_rate": 1.0e-3},
        "schedule": {"name": "cosine"},
        "training": {"epochs": 1, "global_batch": 2},
        "evaluation": settings | evaluation,
    }
    return read_recipe(content, "a test's recipe")


def bring(source: Path) -> None:
    fetch.fetch("mpii", {"source": str(source)})
    prepare("mpii", 0.0)


def summary() -> dict[str, Any]:
    return dict(json.loads((places.prepared("mpii") / "summary.json").read_text()))


def run(recipe: Recipe) -> dict[str, float]:
    """Trains one epoch and evaluates; metrics.json."""
    train_in_place("some", recipe, batch=2)
    evaluate.evaluate("some", recipe)
    return dict(json.loads((places.evaluated("some") / "metrics.json").read_text()))


def test_real_mpii_from_fetch_to_pckh(real_data: Path) -> None:
    bring(real_data / "mpii_mini")
    splits = summary()["splits"]
    assert [splits[s]["training_persons"] for s in Mpii.SPLITS] == [3, 2]
    images = Table(places.prepared("mpii") / "train" / "images.arrow")
    assert min(images["width"]) > 400 and min(images["height"]) > 300  # from the files themselves
    metrics = run(demo())
    assert {f"{name}@gt" for name in PckhEvaluator.names} <= set(metrics)
    assert 0 <= metrics["PCKh@0.5@gt"] <= 1
    matches = load_matches(places.evaluated("some") / "matches_gt.npz")
    truth = loadmat(places.raw("mpii") / "annot" / "gt_valid.mat")
    counted = [k for k in range(16) if k not in (6, 7)]
    assert matches.positives.sum() == (1 - truth["jnt_missing"].astype(int))[counted].sum()
    rows = json.loads((places.evaluated("some") / "predictions_gt.json").read_text())
    assert len(rows) == 2 and len(rows[0]["keypoints"]) == 48
    assert len(list((places.evaluated("some") / "overlays").glob("*.jpg"))) == 2


def people(root: Path) -> None:
    """Two people of one image lie on each other: OKS-NMS would take one of them away."""
    train = [row("1.jpg"), row("2.jpg", 80.0)]
    write_json(root, train, [row("3.jpg"), row("3.jpg"), row("4.jpg", 60.0)])


def test_nobody_is_suppressed(tmp_path: Path) -> None:
    people(tmp_path / "source")
    bring(tmp_path / "source")
    run(demo())
    rows = json.loads((places.evaluated("some") / "predictions_gt.json").read_text())
    assert sorted(r["image_id"] for r in rows) == [3, 3, 4]
    about = json.loads((places.evaluated("some") / "evaluation.json").read_text())
    assert set(about["counts"]) == {"gt"} and about["counts"]["gt"]["images"] == 2


@pytest.mark.parametrize("aligned", [False, True])
def test_training_and_evaluation_see_hrnets_crop(tmp_path: Path, aligned: bool) -> None:
    people(tmp_path / "source")
    bring(tmp_path / "source")
    prepared, raw = places.prepared("mpii"), places.raw("mpii")
    given = (prepared, raw, "train", (64, 64), Mpii.SKELETON)
    item = TopDownDataset(*given, aligned=aligned)[1]
    center, side = np.array([95 - 1, 100 + 12 - 1]), 200 * 0.8 * 1.25
    reach = (side - 1 if aligned else side) / 2  # DARK counts between the centres of border pixels
    corners = np.array([[0, 0], [63, 63]] if aligned else [[0, 0], [64, 64]], float)
    np.testing.assert_allclose(
        move(item.to_image, corners), [center - reach, center + reach], atol=1e-4
    )
    boxes = truth_boxes(prepared, "train", aligned)
    view = box_to_view(boxes.box_image[1], (64, 64), aligned)
    np.testing.assert_allclose([*view.center, *view.size], [*center, side, side], atol=1e-4)


def test_a_bad_image_and_bad_rows_go_to_quarantine(tmp_path: Path) -> None:
    source = tmp_path / "source"
    people(source)
    (source / "images" / "2.jpg").write_bytes(b"no picture")
    rows = json.loads((source / "annot" / "train.json").read_text())
    (source / "annot" / "train.json").write_text(json.dumps([*rows, row("1.jpg", scale=-1)]))
    fetch.fetch("mpii", {"source": str(source)})
    with pytest.raises(ValueError, match=r"datasets.mpii.bad_row_limit"):
        prepare("mpii", 0.01)
    prepare("mpii", 0.5)
    with (places.prepared("mpii") / "quarantine.csv").open() as file:
        reasons = {r["reason"] for r in csv.DictReader(file)}
    wanted = {"no centre and scale", "image unreadable: corrupt", "its image is not usable"}
    assert reasons == wanted


def test_another_gt_valid_is_other_data(tmp_path: Path) -> None:
    source = tmp_path / "source"
    people(source)
    bring(source)
    first = summary()["data_hash"]
    content = (source / "annot" / "gt_valid.mat").read_bytes()
    (source / "annot" / "gt_valid.mat").write_bytes(content + b" " * 8)
    prepare("mpii", 0.0)
    assert summary()["data_hash"] != first


def test_the_official_release_goes_down_the_same_road(tmp_path: Path) -> None:
    source = tmp_path / "source"
    names = [f"{n:09d}.jpg" for n in (1, 2, 3)]
    write_release(source, [(name, [rectangle()], 1) for name in names], [[1]] * 3)
    write_images(source, names)
    (source / "annot").mkdir()
    (source / "annot" / "valid_images.txt").write_text(names[2])
    (source / "annot" / "train_images.txt").write_text("\n".join(names[:2]))
    bring(source)
    assert 0 <= run(demo())["PCKh@0.5@gt"] <= 1


def test_a_coco_folder_is_no_mpii(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    with pytest.raises(ValueError, match=r"no annot/train.json or mpii_human_pose.*, accepted"):
        fetch.fetch("mpii", {"source": str(tmp_path)})
    with pytest.raises(ValueError, match=r"datasets.mpii.source: given https://x, accepted"):
        fetch.fetch("mpii", {"source": "https://x"})


@pytest.mark.parametrize(
    ("dataset", "evaluator", "monitor", "says"),
    [
        ("coco", "pckh", "PCKh@0.5@gt", "scores mpii; accepted for coco .skeleton coco.: oks"),
        ("mpii", "oks", "AP@gt", "scores coco; accepted for mpii .skeleton mpii.: pckh"),
        ("mpii", "pckh", "AP@gt", r"monitor: given 'AP@gt', accepted: one of PCKh@0.5"),
        ("mpii", "pckh", "PCKh@0.5", r"did you mean 'PCKh@0.5@gt'"),
    ],
)
def test_recipes_that_score_otherwise_are_refused(
    dataset: str, evaluator: str, monitor: str, says: str
) -> None:
    content = demo().as_dict() | {"dataset": dataset}
    content["evaluation"] |= {"evaluator": evaluator, "monitor": monitor}
    with pytest.raises(ValueError, match=says):
        read_recipe(content, "recipes/x.yaml")
