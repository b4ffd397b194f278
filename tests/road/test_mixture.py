"""COCO and MPII together down the road: links, one table, a training step, COCO's own val."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from data.datasets.coco import Coco
from data.datasets.mixture import APART
from data.datasets.stick_figures import draw_split
from data.feeds.person_crops import TopDownDataset
from data.files.table import Table
from data.ground.skeleton import load_skeleton
from pipelines import evaluate, fetch
from pipelines import prepare as stage
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.recipe.params import PARAMS, add_to_run, check_run, load_params
from pipelines.recipe.reader import load_recipe, read_recipe
from pipelines.recipe.schema import Recipe
from tests.worlds.mpii_files import row, write_json
from tests.worlds.trained import train_in_place

COCO = load_skeleton("coco")


@pytest.fixture(autouse=True)
def members(tmp_path: Path, home: Path, one_thread: None) -> None:
    """Both fetched: drawn people in COCO's layout, three people in MPII's."""
    for split in Coco.SPLITS:
        draw_split(tmp_path / "coco", split, 3, seed=1)
    people = [row("5.jpg"), row("6.jpg", 40.0), row("6.jpg", 90.0)]
    write_json(tmp_path / "mpii", people, [row("7.jpg")])
    for name in ("coco", "mpii"):
        fetch.fetch(name, {"source": str(tmp_path / name)})


def bring(**weights: float) -> dict[str, Any]:
    """Fetches and prepares the mixture; its summary."""
    fetch.fetch("coco_mpii", {})
    prepare("coco_mpii", 0.0, weights)
    return dict(json.loads((places.prepared("coco_mpii") / "summary.json").read_text()))


def persons(split: str = "train") -> Table:
    return Table(places.prepared("coco_mpii") / split / "persons.arrow")


def small(dataset: str = "coco_mpii") -> Recipe:
    content = load_recipe("demo_hrnet").as_dict() | {"dataset": dataset, "input_size": [64, 64]}
    content["training"] |= {"epochs": 1, "global_batch": 4, "ema_decay": None}
    return read_recipe(content, "a test's recipe")


def test_one_table_of_both_members() -> None:
    summary = bring(coco=1.0, mpii=1.0)
    table = persons()
    ours = table["person_id"] >= APART
    assert ours.sum() == 3 and (~ours).sum() >= 3
    assert set(table["border"][ours]) == {0} and set(table["border"][~ours]) == {1}
    assert summary["skeleton"] == "coco"
    given = (places.prepared("coco_mpii"), places.raw("coco_mpii"), "train", (64, 64), COCO)
    item = TopDownDataset(*given, aligned=False)[int(np.flatnonzero(ours)[0])]
    assert item.image.std() > 10 and item.visibility.tolist() == [0] * 5 + [2] * 12
    assert len(persons("val")) == sum(
        len(p) for p in Coco().truth(places.raw("coco"), "val").values()
    )


def test_weights_change_the_table_and_the_hash() -> None:
    plain = bring(coco=1.0, mpii=1.0)
    count = int((persons()["person_id"] < APART).sum())
    other = bring(coco=0.5, mpii=3.0)
    found = persons()["person_id"]
    assert len(np.unique(found)) == len(found), "copies have ids of their own, so other views"
    drawn_coco = [i for i in found.tolist() if i % 10**16 < APART]
    assert len(drawn_coco) == round(count * 0.5) and len(found) - len(drawn_coco) == 9
    assert other["data_hash"] != plain["data_hash"]
    assert bring(coco=1.0, mpii=1.0) == plain


def test_it_trains_and_is_scored_on_cocos_val() -> None:
    bring(coco=1.0, mpii=2.0)
    made = small()
    train_in_place("some", made, batch=4)
    evaluate.evaluate("some", made)
    about = json.loads((places.evaluated("some") / "evaluation.json").read_text())
    assert about["counts"]["gt"]["images"] == 3 and about["dataset"] == "coco_mpii"
    metrics = json.loads((places.evaluated("some") / "metrics.json").read_text())
    assert -1 <= metrics["AP@gt"] <= 1


def test_what_is_missing_or_wrong_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    fetch.fetch("coco_mpii", {})
    assert stage.main(["coco_mpii"], lambda _: {"weights": {"coco": 1.0}}) == 2
    assert "datasets.coco_mpii.weights: given {'coco': 1.0}" in capsys.readouterr().err
    (places.raw("mpii") / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"raw/mpii: not fetched; run .*pipelines.fetch mpii"):
        fetch.fetch("coco_mpii", {})


def test_a_recipe_of_a_mixture_brings_its_members_into_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.read_text())
    made = load_recipe("hrnet_w32_coco_mpii_256x192")
    add_to_run("x", made, path)
    run = load_params(path)["run"]
    assert run["datasets"] == ["stick_figures", "coco", "mpii"]
    assert run["mixtures"] == {"coco_mpii": {"members": ["coco", "mpii", "mpii"]}}
    run["mixtures"]["coco_mpii"]["members"] = ["coco", "coco", "coco"]
    path.write_text(yaml.safe_dump({"run": run}))
    with pytest.raises(ValueError, match=r"run.mixtures.coco_mpii: given .*accepted: .*'mpii'"):
        check_run("x", made, path)
    run["datasets"].remove("mpii")
    path.write_text(yaml.safe_dump({"run": run}))
    with pytest.raises(ValueError, match=r"run.datasets: 'mpii' is missing \(x\)"):
        check_run("x", made, path)
