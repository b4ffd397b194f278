"""The report: what is measured stands beside what is published under the same protocol only."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import EVALUATORS
from data.ground.plug import Plug
from data.views.settings import Augmentation
from pipelines import compare
from pipelines.evaluation.scoring import NUMBERS
from pipelines.host import places
from pipelines.recipe.reader import read_yaml, recipe_names, recipe_path
from pipelines.recipe.schema import (
    Architecture,
    Evaluation,
    FieldLoss,
    Optimizer,
    Published,
    Recipe,
    Schedule,
    Training,
)
from pipelines.report import results

NUMBERS = NUMBERS


def make_recipe(published: list[Published]) -> Recipe:
    return Recipe(
        dataset="coco",
        seed=1,
        input_size=[96, 128],
        architecture=Architecture("hrnet", "demo"),
        codec=Plug("heatmap"),
        losses={"heatmaps": FieldLoss("keypoint_mse")},
        augmentation=Augmentation(),
        optimizer=Optimizer("adam", 1e-3),
        schedule=Schedule("cosine"),
        training=Training(2, 8),
        evaluation=Evaluation("oks"),
        published=published,
    )


RECIPES = {
    "ours": make_recipe(
        [
            Published("paper A", {"AP@det": 0.744}, 28.5, 7.1, "hr_gi"),
            Published("server", {"AP@test-dev": 0.749}),
        ]
    ),
    "plain": make_recipe([]),
    "other": make_recipe([Published("paper B", {"AP@gt": 0.765}, 34.0, 8.9, "hr_gi")]),
}


def fill(home: Path, name: str, ap: float, images: int, protocols: tuple[str, ...]) -> None:
    """results/<name> as train and evaluate leave it."""
    trained, evaluated = home / "results" / name / "trained", home / "results" / name / "evaluation"
    (evaluated / "overlays").mkdir(parents=True)
    trained.mkdir()
    metrics = {f"{key}@{protocol}": ap for protocol in protocols for key in NUMBERS}
    content = {**metrics, "no_flip": {key: value - 0.01 for key, value in metrics.items()}}
    (evaluated / "metrics.json").write_text(json.dumps(content))
    cost = {"params": 28536113, "exact_g": 7.645, "exact_gi": 7.12, "hr_g": 7.645, "hr_gi": 7.12}
    counts = {p: {"images": images, "images_without_boxes": 2} for p in protocols}
    about: dict[str, object] = {"dataset": "coco", "split": "val", "data_hash": "0123456789abcdef"}
    about |= {"run_id": "r" * 32}
    (evaluated / "evaluation.json").write_text(
        json.dumps({**about, "cost": cost, "counts": counts})
    )
    speed = {"samples_per_second": 123.4, "hours": 1.5, "best_epoch": 2}
    (trained / "summary.json").write_text(json.dumps(speed))
    (trained / "history.csv").write_text("epoch,step,loss,AP@gt\n1,10,0.5,\n2,20,0.25,0.3\n")
    for image in (1, 2):
        picture = np.full((60, 90 + 40 * image, 3), 60 * image, np.uint8)
        cv2.imwrite(str(evaluated / "overlays" / f"{image:012d}.jpg"), picture)


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of recipes that are the tests' own."""
    monkeypatch.setattr(compare, "quoted_rows", lambda name: RECIPES[name].published)
    monkeypatch.setattr(results, "load_recipe", RECIPES.__getitem__)
    monkeypatch.setattr(compare, "recipe_names", lambda: sorted(RECIPES))
    run = {"run": {"recipes": {"ours": {}, "plain": {}, "late": {}}}}
    monkeypatch.setattr(compare, "load_params", lambda: run)
    return home


def cells(report: str, start: str) -> list[str]:
    line = next(line for line in report.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


def test_published_numbers_stand_only_beside_their_own_protocol(home: Path) -> None:
    fill(home, "ours", 0.75, 5000, ("gt", "det"))
    fill(home, "plain", 0.5, 100, ("gt",))
    assert compare.main() == 0
    report = (home / "reports" / "comparison.md").read_text()
    ours = cells(report, "ours ")
    assert ours[1] == "coco val, 5000 images"
    assert ours[2:5] == ["75.0 / –", "75.0 / 74.4", "28.54 / 28.5"]
    assert ours[5:10] == ["7.645", "7.120", "7.645", "7.120", "7.1 (HR Gi)"]
    assert ours[10:] == ["123.4", "1.50", "`01234567`", "`rrrrrrrr`"]
    assert cells(report, "plain ")[2:5] == ["50.0 / –", "– / –", "28.54 / –"]
    assert cells(report, "*other* (quoted)")[2:5] == ["– / 76.5", "– / –", "– / 34.0"]
    assert "74.9" not in report.split("## All numbers")[0], "test-dev is another protocol"
    assert "quoted: server" in report and "late" in report


def test_ten_numbers_with_and_without_flip_test(home: Path) -> None:
    fill(home, "ours", 0.75, 5000, ("gt",))
    compare.main()
    report = (home / "reports" / "comparison.md").read_text().split("## All numbers")[1]
    assert cells(report, "ours | measured |")[2:] == ["75.0"] * 10
    assert cells(report, "ours | measured, no flip test")[2:] == ["74.0"] * 10
    assert "| AP@gt | AP50@gt | AP75@gt |" in report, "the protocol stands in the number's name"
    assert "| AP@det | AP50@det |" in report and "| AP@test-dev | AP50@test-dev |" in report


def test_a_protocol_in_doubt_stands_beside_all_of_ours(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = Published("paper C", {"AP@det": 0.765}, note="the columns are those of true boxes",
                         protocol_doubtful=True)  # fmt: skip
    monkeypatch.setitem(RECIPES, "ours", make_recipe([doubtful]))
    fill(home, "ours", 0.75, 5000, ("gt", "det"))
    compare.main()
    main, _, rest = (home / "reports" / "comparison.md").read_text().partition("## Protocol in d")
    assert cells(main, "ours ")[2:4] == ["75.0 / –", "75.0 / –"], "no number of that row here"
    assert cells(rest, "ours ") == ["ours", "75.0", "75.0", "–", "AP@det 76.5", "paper C",
                                    "the columns are those of true boxes"]  # fmt: skip
    assert "quoted, protocol in doubt: paper C" in rest
    numbers = json.loads((home / "reports" / "comparison.json").read_text())
    assert numbers["ours"]["published"] == {}


def test_numbers_over_other_images_are_marked(home: Path) -> None:
    fill(home, "ours", 0.75, 18, ("gt", "det"))
    compare.main()
    report = (home / "reports" / "comparison.md").read_text()
    assert "| ours † |" in report and "measured on 18 images of coco val" in report
    assert "2 of 18 images have no boxes" in report


def test_dvc_reads_numbers_and_curves(home: Path) -> None:
    fill(home, "ours", 0.75, 5000, ("gt",))
    fill(home, "plain", 0.5, 100, ("gt",))
    compare.main()
    numbers = json.loads((home / "reports" / "comparison.json").read_text())
    assert numbers["ours"]["measured"]["AP@gt"] == 0.75
    assert numbers["ours"]["training"]["samples_per_second"] == 123.4
    assert "AP@det" not in numbers["ours"]["measured"]
    with (home / "reports" / "learning_curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["curve"], r["epoch"], r["loss"], r["value"]) for r in rows] == [
        ("ours: AP@gt", "1", "0.5", ""), ("ours: AP@gt", "2", "0.25", "0.3"),
        ("plain: AP@gt", "1", "0.5", ""), ("plain: AP@gt", "2", "0.25", "0.3"),
    ]  # fmt: skip


def test_pictures_show_every_recipe(home: Path) -> None:
    fill(home, "ours", 0.75, 5000, ("gt", "det"))
    fill(home, "plain", 0.5, 100, ("gt",))
    compare.main()
    folder = home / "reports" / "pictures"
    side = cv2.imread(str(folder / "side_by_side.png"))
    assert side.shape[1] == 2 * compare.plots.TILE[0], "a column per recipe"
    assert side.shape[0] == 2 * compare.plots.HEADER + 2 * compare.plots.TILE[1], "a row per image"
    for name in ("learning_curves", "ap_against_gflops"):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert picture.std() > 10, "not an empty page"


def test_nothing_evaluated_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main() == 2
    assert "error: results/: none of ours, plain, late" in capsys.readouterr().err
    assert not places.reports().exists()
    assert compare.main(["ours"]) == 2


@pytest.mark.parametrize(("people", "mark"), [(2958, ""), (2, " †")])
def test_mpii_has_a_table_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, people: int, mark: str
) -> None:
    paper = Published("paper M", {"PCKh@0.5@gt": 0.903, "Head@gt": 0.971}, 28.5, 9.5, "hr_gi")
    for name in ("ours", "other"):
        monkeypatch.setitem(RECIPES, name, make_recipe([paper]))
    fill(home, "ours", 0.75, 2729, ("gt",))
    fill(home, "plain", 0.5, 100, ("gt",))
    evaluated = home / "results" / "ours" / "evaluation"
    numbers = {f"{name}@gt": 0.5 for name in EVALUATORS["pckh"].names} | {"PCKh@0.5@gt": 0.887}
    (evaluated / "metrics.json").write_text(json.dumps({**numbers, "no_flip": numbers}))
    about = json.loads((evaluated / "evaluation.json").read_text())
    about["counts"]["gt"]["boxes"] = people
    (evaluated / "evaluation.json").write_text(json.dumps({**about, "dataset": "mpii"}))
    assert compare.main() == 0
    report = (home / "reports" / "comparison.md").read_text()
    before, _, after = report.partition("## MPII")
    assert "plain" in before and "| ours" not in before and "paper M" not in before
    mpii = after.partition("## Pictures")[0]
    heads = ["Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank", "Mean", "@0.1", "@0.11"]
    assert cells(mpii, "recipe")[4:14] == heads
    ours = cells(mpii, "ours")
    assert ours[0] == f"ours{mark}" and ours[3] == "mpii val, 2729 images"
    assert ours[4:15] == ["50.0"] * 7 + ["88.7", "50.0", "50.0", "28.54"]
    quoted = cells(mpii, "*other*")
    assert quoted[2] == "quoted: paper M" and quoted[4] == "97.1" and quoted[11] == "90.3"
    assert quoted[-4:] == ["–", "–", "–", "9.5"]
    assert "paper M" not in after.partition("## Pictures")[2]
    in_json = json.loads((home / "reports" / "comparison.json").read_text())["ours"]
    assert in_json["published"]["PCKh@0.5@gt"] == 0.903
    assert in_json["measured"]["PCKh@0.5@gt"] == 0.887


@pytest.mark.parametrize("name", recipe_names())
def test_published_rows_of_the_recipes_say_their_protocol(name: str) -> None:
    content = read_yaml(recipe_path(name))
    for row in content.get("published", []):
        protocols = {key.rpartition("@")[2] for key in row["metrics"]}
        assert protocols <= {"gt", "det", "image", "test-dev"}
        assert all(0 < value < 1 for value in row["metrics"].values())
        counted = (row.get("gflops") is None) == (row.get("gflops_count") is None)
        assert counted or "none of the four counts" in row["note"]
