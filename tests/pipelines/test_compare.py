"""The report: what is measured stands beside what is published under the same protocol only."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.ground.plug import Plug
from data.ground.yaml_text import read_yaml
from data.menus import EVALUATORS
from data.views.settings import Augmentation
from pipelines import compare
from pipelines.evaluation.record import Counts, EvaluationRecord, NetworkCost
from pipelines.evaluation.scoring import NUMBERS
from pipelines.evaluation.test_dev import keep_scores
from pipelines.host import places
from pipelines.prediction.coco_results import official_name
from pipelines.recipe.reader import load_recipe, recipe_names, recipe_path
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
from pipelines.report import plots
from pipelines.report.results import is_evaluated, read_result
from pipelines.training.record import History
from tests.worlds.here import ROOT
from tests.worlds.results import evaluation_record, training_record


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


DVC = read_yaml(ROOT / "dvc.yaml")
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


def fill(
    name: str, ap: float, images: int, protocols: tuple[str, ...], made: Recipe | None = None
) -> None:
    """results/<name> as train and evaluate leave it."""
    made = made or RECIPES[name]
    training = replace(training_record(name, made, "0123456789abcdef"), best_epoch=2)
    training.write(made_folder(places.trained(name)))
    rows: list[dict[str, float]] = [
        {"epoch": 1, "step": 10, "loss": 0.5},
        {"epoch": 2, "step": 20, "loss": 0.25, "accuracy": 0.6, "AP@gt": 0.3},
    ]
    History(rows).write(places.trained(name))
    numbers = {f"{key}@{protocol}": ap for protocol in protocols for key in NUMBERS}
    record = replace(
        evaluation_record(training, made, {}),
        run_id="r" * 32,
        cost=NetworkCost(28536113, exact_g=7.645, exact_gi=7.12, hr_g=7.645, hr_gi=7.12),
        counts={protocol: Counts(images, 0, 2, images, 0) for protocol in protocols},
        numbers=numbers,
        others={key: value - 0.01 for key, value in numbers.items()},
    )
    record.write(made_folder(places.evaluated(name)))
    overlays = made_folder(places.evaluated(name) / "overlays")
    for image in (1, 2):
        picture = np.full((60, 90 + 40 * image, 3), 60 * image, np.uint8)
        cv2.imwrite(str(overlays / f"{image:012d}.jpg"), picture)


def made_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_comparison(recipes: Mapping[str, Recipe] = RECIPES) -> str:
    """Of the recipes that are evaluated; the text of the report."""
    results = [read_result(name, recipes[name]) for name in recipes if is_evaluated(name)]
    here = {result.name for result in results}
    quoted = {name: made.published for name, made in recipes.items() if name not in here}
    return compare.write_comparison(["ours", "plain", "late"], results, quoted).read_text()


def cells(report: str, start: str) -> list[str]:
    line = next(line for line in report.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


def test_published_numbers_stand_only_beside_their_own_protocol(home: Path) -> None:
    fill("ours", 0.75, 5000, ("gt", "det"))
    fill("plain", 0.5, 100, ("gt",))
    report = write_comparison()
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
    fill("ours", 0.75, 5000, ("gt",))
    report = write_comparison().split("\n## All numbers")[1]
    assert cells(report, "ours | measured |")[2:] == ["75.0"] * 10
    assert cells(report, "ours | measured, no flip test")[2:] == ["74.0"] * 10
    assert "| AP@gt | AP50@gt | AP75@gt |" in report, "the protocol stands in the number's name"
    assert "| AP@det | AP50@det |" in report and "| AP@test-dev | AP50@test-dev |" in report


def test_a_protocol_in_doubt_stands_beside_all_of_ours(home: Path) -> None:
    note = "the columns are those of true boxes"
    doubtful = Published("paper C", {"AP@det": 0.765}, note=note, protocol_doubtful=True)
    fill("ours", 0.75, 5000, ("gt", "det"))
    report = write_comparison({**RECIPES, "ours": make_recipe([doubtful])})
    main, _, rest = report.partition("## Protocol in d")
    assert cells(main, "ours ")[2:4] == ["75.0 / –", "75.0 / –"], "no number of that row here"
    assert cells(rest, "ours ") == ["ours", "75.0", "75.0", "–", "AP@det 76.5", "paper C", note]
    assert "quoted, protocol in doubt: paper C" in rest
    numbers = json.loads((home / "reports" / "comparison.json").read_text())
    assert numbers["ours"]["published"] == {}


def test_scores_of_the_server_stand_under_test_dev_until_the_results_change(home: Path) -> None:
    fill("ours", 0.75, 5000, ("gt", "det"))
    results = made_folder(places.test_dev("ours")) / official_name("ours")
    results.write_text("[]")
    answer = home / "answer.json"
    answer.write_text(json.dumps(dict.fromkeys(NUMBERS, 0.701)))
    keep_scores("ours", answer)
    main, _, numbers = write_comparison().partition("## All numbers")
    assert "70.1" not in main, "test-dev is another protocol"
    table = numbers.partition("| AP@test-dev |")[2]
    assert cells(table, "ours | measured by COCO's server |")[2:] == ["70.1"] * 10
    assert cells(table, "ours | quoted: server |")[2] == "74.9"
    written = json.loads((home / "reports" / "comparison.json").read_text())["ours"]
    assert written["measured"]["AP@test-dev"] == 0.701
    assert written["published"]["AP@test-dev"] == 0.749
    results.write_text("[{}]")
    stale = write_comparison()
    assert "measured by COCO's server" not in stale
    assert "ours: its scores of test-dev are of other results" in stale


def test_numbers_over_other_images_are_marked(home: Path) -> None:
    fill("ours", 0.75, 18, ("gt", "det"))
    report = write_comparison()
    assert "| ours † |" in report and "measured on 18 images of coco val" in report
    assert "2 of 18 images have no boxes" in report


def test_dvc_reads_numbers_and_curves(home: Path) -> None:
    fill("ours", 0.75, 5000, ("gt",))
    fill("plain", 0.5, 100, ("gt",))
    write_comparison()
    numbers = json.loads((home / "reports" / "comparison.json").read_text())
    assert numbers["ours"]["measured"]["AP@gt"] == 0.75
    assert numbers["ours"]["training"]["samples_per_second"] == 123.4
    assert "AP@det" not in numbers["ours"]["measured"]
    with (home / "reports" / "learning_curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == [
        ("ours: AP@gt", "1", "0.5", "", ""), ("ours: AP@gt", "2", "0.25", "0.6", "0.3"),
        ("plain: AP@gt", "1", "0.5", "", ""), ("plain: AP@gt", "2", "0.25", "0.6", "0.3"),
    ]  # fmt: skip
    assert list(rows[0]) == ["curve", "epoch", "loss", "accuracy", "value"]


def test_dvc_plots_columns_that_are_there(home: Path) -> None:
    fill("ours", 0.75, 5000, ("gt",))
    write_comparison()
    header = (home / "reports" / "learning_curves.csv").read_text().splitlines()[0].split(",")
    plotted = [each for entry in DVC["plots"] for each in entry.items()]
    assert len(plotted) == 2
    for name, how in plotted:
        columns = how["y"] if isinstance(how["y"], dict) else {name: how["y"]}
        assert how["x"] in header and list(columns) == ["reports/learning_curves.csv"]
        assert set(columns.values()) <= set(header)
        assert (
            f"datum.{columns['reports/learning_curves.csv']}"
            in (ROOT / how["template"]).read_text()
        )


def test_pictures_show_every_recipe(home: Path) -> None:
    fill("ours", 0.75, 5000, ("gt", "det"))
    fill("plain", 0.5, 100, ("gt",))
    write_comparison()
    folder = home / "reports" / "pictures"
    side = cv2.imread(str(folder / "side_by_side.png"))
    assert side.shape[1] == 2 * plots.TILE[0], "a column per recipe"
    assert side.shape[0] == 2 * plots.HEADER + 2 * plots.TILE[1], "a row per image"
    for name in ("learning_curves", "ap_against_gflops"):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert picture.std() > 10, "not an empty page"


def test_nothing_evaluated_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="results/: none of ours, plain, late"):
        write_comparison()
    assert compare.main([]) == 2
    said = capsys.readouterr().err
    assert "error: results/: none of " in said and "demo_hrnet" in said
    assert not places.reports().exists()
    assert compare.main(["ours"]) == 2


@pytest.mark.contract  # what is attached makes the tracking database
def test_the_stage_compares_what_params_yaml_runs(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill("demo_hrnet", 0.5, 10, ("gt",), load_recipe("demo_hrnet"))
    assert compare.main([]) == 0
    assert f"compared: {places.comparison()}" in capsys.readouterr().out
    report = places.comparison().read_text()
    assert cells(report, "demo_hrnet ")[1] == "stick_figures val, 10 images"
    assert "(quoted)" in report, "all other recipes"


@pytest.mark.parametrize(("people", "mark"), [(2958, ""), (2, " †")])
def test_mpii_has_a_table_of_its_own(home: Path, people: int, mark: str) -> None:
    paper = Published("paper M", {"PCKh@0.5@gt": 0.903, "Head@gt": 0.971}, 28.5, 9.5, "hr_gi")
    fill("ours", 0.75, 2729, ("gt",))
    fill("plain", 0.5, 100, ("gt",))
    numbers = {f"{name}@gt": 0.5 for name in EVALUATORS["pckh"].names} | {"PCKh@0.5@gt": 0.887}
    record = EvaluationRecord.read(places.evaluated("ours"))
    counts = {"gt": replace(record.counts["gt"], boxes=people)}
    mpii = replace(record, dataset="mpii", counts=counts, numbers=numbers, others=numbers)
    mpii.write(places.evaluated("ours"))
    of_paper = make_recipe([paper])
    report = write_comparison({**RECIPES, "ours": of_paper, "other": of_paper})
    before, _, after = report.partition("\n## MPII")
    assert "plain" in before and "| ours" not in before and "paper M" not in before
    table = after.partition("## Pictures")[0]
    heads = ["Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank", "Mean", "@0.1", "@0.11"]
    assert cells(table, "recipe")[4:14] == heads
    ours = cells(table, "ours")
    assert ours[0] == f"ours{mark}" and ours[3] == "mpii val, 2729 images"
    assert ours[4:15] == ["50.0"] * 7 + ["88.7", "50.0", "50.0", "28.54"]
    quoted = cells(after.partition("### MPII")[2], "*other*")
    assert quoted[2] == "quoted: paper M" and quoted[4] == "97.1" and quoted[11] == "90.3"
    assert quoted[-4:] == ["–", "–", "–", "9.5"]
    assert "paper M" not in after.partition("## What papers print")[0], "folded"
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
