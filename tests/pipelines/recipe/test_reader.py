"""Recipes: strict reading, errors that name the place, all of recipes/ valid and complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.recipe.build import build_losses
from pipelines.recipe.params import PARAMS, add_to_run, check_run, load_params, sources
from pipelines.recipe.reader import load_recipe, read_recipe, recipe_names, recipe_path
from pipelines.recipe.schema import FieldLoss
from pipelines.recipe.strict import as_plain_data


def demo() -> dict[str, Any]:
    return dict(yaml.safe_load(recipe_path("demo_hrnet").read_text()))


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_reads_and_survives_a_round_trip(name: str) -> None:
    recipe = load_recipe(name)
    again = read_recipe(recipe.as_dict(), "again")
    assert again == recipe
    assert again.digest() == recipe.digest()


def put(content: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *parents, last = path.split(".")
    inner = content
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("trainning", {}, "did you mean 'training'"),
        ("training.epoch", 3, "did you mean 'epochs'"),
        ("training.epochs", "three", "given 'three', accepted: a int"),
        ("training.epochs", True, "given True"),
        ("training.epochs", 0, "accepted: 1 to 100,000"),
        ("optimizer.learning_rate", "5e-4", "write 5.0e-4"),
        ("optimizer.learning_rate", float("nan"), "a finite number"),
        ("optimizer.name", "adma", "one of adam, adamw, sgd"),
        ("architecture.name", "hrnett", "did you mean 'hrnet'"),
        ("architecture.variant", "w33", "architecture.variant"),
        ("architecture.options", {"widht": 3}, "architecture.options.widht"),
        ("codec.options", {"sigmaa": 2.0}, "did you mean 'sigma'"),
        ("codec.options", {"sigma": -1.0}, "codec.options"),
        ("dataset", "cocoo", "did you mean 'coco'"),
        ("losses", {"tags": {"name": "keypoint_mse"}}, "['heatmaps']"),
        ("losses", {"heatmaps": {"name": "keypoint_mse", "weight": [1.0, 1.0]}}, "one per stage"),
        ("losses.heatmaps.options", {"top_kk": 8}, "did you mean 'top_k'"),
        ("losses.heatmaps.options", {"top_k": 0}, "accepted: 1 to 4,096"),
        ("losses.heatmaps.options", {"top_k": 18}, "accepted: up to 17"),
        ("losses.heatmaps.stage_options", {"1": {"top_k": 8}}, "one of -1, 0"),
        ("losses.heatmaps.stage_options", {-1: {"top_k": 8}}, '"-1", not -1'),
        ("losses.heatmaps.stage_options", {"-1": {"topk": 8}}, "stage_options.-1.topk"),
        ("refine", "pose_rennet", "refine: given 'pose_rennet'"),
        ("refine", {"nam": "pose_renet"}, "did you mean 'name'"),
        ("refine", {"name": "pose_renet", "options": {"agregation": "mean"}}, "'aggregation'"),
        ("refine", {"name": "pose_renet", "options": {"aggregation": "sum"}}, "mean, conv"),
        ("input_size", [96, 100], "multiples of 32"),
        ("input_size", [96], "[width, height]"),
        ("augmentation.photometric", [{"name": "RandomBrightnes"}], "RandomBrightnes"),
        ("augmentation.photometric", [{"name": "x" * 9000}], f"{'x' * 600}...: no transform of"),
        ("augmentation.view", ["whole_image"], "augmentation.view: given ['whole_image'], acc"),
        ("augmentation.flip_probability", 1.5, "0 to 1"),
    ],
)
def test_wrong_input_is_told_with_its_place(path: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"r\.yaml") as caught:
        read_recipe(put(demo(), path, value), "r.yaml")
    assert said in str(caught.value) and len(str(caught.value)) < 2000


def test_a_missing_key_is_named() -> None:
    content = demo()
    del content["optimizer"]["learning_rate"]
    with pytest.raises(ValueError, match=r"r.yaml: optimizer.learning_rate: missing"):
        read_recipe(content, "r.yaml")


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'demo_hrnet'"):
        load_recipe("demo_hrnett")


def test_the_digest_follows_what_decides_and_nothing_else() -> None:
    first = read_recipe(demo(), "r.yaml")
    cited = read_recipe(put(demo(), "cite", "a paper"), "r.yaml")
    changed = read_recipe(put(demo(), "optimizer.learning_rate", 1.0e-3), "r.yaml")
    assert first.digest() == cited.digest() != changed.digest()


def test_keys_that_came_later_change_no_old_digest() -> None:
    content = demo()
    for key in ("refine", "losses.heatmaps.stage_options"):
        put(content, key, None if key == "refine" else {})
    given = {"heatmaps": {"name": "keypoint_mse", "stage_options": {"-1": {"top_k": 8}}}}
    harder = read_recipe(put(demo(), "losses", given), "r.yaml")
    assert read_recipe(content, "r.yaml").digest() == read_recipe(demo(), "r.yaml").digest()
    assert "stage_options" not in as_plain_data(read_recipe(demo(), "r.yaml"))["losses"]["heatmaps"]
    assert harder.digest() != read_recipe(demo(), "r.yaml").digest()


def test_options_of_one_stage_win_over_those_of_all() -> None:
    loss = FieldLoss("keypoint_mse", options={"top_k": 4}, stage_options={"-1": {"top_k": 8}})
    assert [loss.options_of(n, 3)["top_k"] for n in range(3)] == [4, 4, 8]
    losses = build_losses(
        read_recipe(put(demo(), "losses.heatmaps.stage_options", {"0": {"top_k": 3}}), "r.yaml"),
        [{"heatmaps": None}, {"heatmaps": None}],
    )
    assert [each.top_k for each, _ in losses["heatmaps"]] == [3, None]


def test_params_run_agrees_with_the_recipe_files() -> None:
    run = load_params()["run"]
    for name in run["recipes"]:
        recipe = load_recipe(name)
        check_run(name, recipe)
        assert set(sources(recipe)) <= set(run["datasets"])


def test_a_recipe_is_added_to_params_with_its_comments_kept(tmp_path: Path) -> None:
    text, path = PARAMS.read_text(), tmp_path / "params.yaml"
    path.write_text(text)
    recipe = load_recipe("hrnet_w32_coco_256x192")
    add_to_run("hrnet_w32_coco_256x192", recipe, path)
    run = load_params(path)["run"]
    ran = yaml.safe_load(text)["run"]["datasets"]
    assert run["datasets"] == [*ran, *({"coco"} - set(ran))]
    assert run["recipes"]["hrnet_w32_coco_256x192"] == {"dataset": "coco"}
    assert "source: null" in path.read_text()
    kept = [line for line in text.splitlines() if "#" in line]
    assert all(comment.split("#")[1] in path.read_text() for comment in kept)
    before = path.read_text()
    add_to_run("hrnet_w32_coco_256x192", recipe, path)
    assert path.read_text() == before
