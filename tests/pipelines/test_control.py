"""Two recipes on the same seeds: trained once, found again, gone on with, compared as one page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines import control
from pipelines.evaluation.folder import read_evaluation
from pipelines.evaluation.seeds import seeds_interval
from pipelines.host import places
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Architecture, Recipe
from pipelines.report.recipe_difference import recipe_differences
from pipelines.training.repeat import repeat_job
from tests.worlds.drawn import draw_at_home, small_recipe

# a training sets torch's threads, too
pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread", "signals_as_before")]


@pytest.fixture(scope="module")
def drawn(module_home: Path) -> Path:
    draw_at_home(train=12, val=5)
    return module_home


def load(name: str) -> Recipe:
    """`one` and `other`: two small networks, two steps each."""
    recipe = small_recipe(epochs=1, steps_per_epoch=2)
    kind = {"one": "hrnet", "other": "ca_hrnet"}[name]
    return replace(recipe, architecture=Architecture(kind, "demo"))


def folders() -> dict[str, Path]:
    """Of trainings, by recipe and seed."""
    return {p.name.rpartition("-")[0]: p for p in (places.runs() / "control").iterdir()}


def test_each_recipe_is_trained_once_per_seed_and_found_again(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert control.main(["one", "other", "--seeds", "1,2"], load) == 0
    made = folders()
    assert set(made) == {"one-1", "one-2", "other-1", "other-2"}
    assert not (places.results()).exists(), "results of recipes stay as they are"
    page = (places.reports() / "control_one_other.md").read_text()
    assert page in capsys.readouterr().out
    records = {name: read_evaluation(path / "evaluation") for name, path in made.items()}
    sides = [[records[f"{name}-{seed}"].matches("gt") for seed in (1, 2)] for name in
             ("one", "other")]  # fmt: skip
    asked = {"resamples": control.RESAMPLES, "confidence": 0.95, "seed": control.SEED}
    interval = seeds_interval(sides[0], sides[1], **asked)
    low, high = 100 * interval.low, 100 * interval.high
    assert f"95% interval {low:+.2f} to {high:+.2f}" in page
    assert (
        "`architecture.name` | hrnet | ca_hrnet" in page and "2 trainings of each are few" in page
    )
    seeds = {json.dumps(load_best(path)["recipe"]["seed"]) for path in made.values()}
    assert seeds == {"1", "2"}

    before = {name: (path / "trained/best.pt").stat().st_mtime_ns for name, path in made.items()}
    assert control.main(["one", "other", "--seeds", "2,1"], load) == 0
    said = capsys.readouterr().out
    assert said.count("was trained and evaluated") == 4 and folders() == made
    after = {name: (path / "trained/best.pt").stat().st_mtime_ns for name, path in made.items()}
    assert after == before


def load_best(path: Path) -> dict[str, Any]:
    return dict(torch.load(path / "trained" / "best.pt", weights_only=True))


def test_what_was_cut_off_goes_on(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert control.main(["one", "other", "--seeds", "7"], load) == 0
    whole = folders()["one-7"]
    numbers = read_evaluation(whole / "evaluation").record.numbers
    for file in [*(whole / "evaluation").rglob("*"), *(whole / "trained").rglob("*")]:
        if file.is_file():
            file.unlink()
    capsys.readouterr()
    assert control.main(["one", "other", "--seeds", "7"], load) == 0
    assert "one seed 7: goes on from step_" in capsys.readouterr().out
    assert read_evaluation(whole / "evaluation").record.numbers == numbers


def test_another_recipe_of_that_name_is_another_training(drawn: Path) -> None:
    cluster = control.read_cluster(control.load_params(), 0, workers=1)
    recipe = load("one")
    jobs = [
        repeat_job("one", each, seed, cluster, code)
        for each, seed, code in (
            (recipe, 1, "a"),
            (recipe, 2, "a"),
            (recipe, 1, "b"),
            (replace(recipe, input_size=[96, 64]), 1, "a"),
        )
    ]
    assert len({job.run_folder for job in jobs}) == len({job.fingerprint for job in jobs}) == 4
    again = repeat_job("one", replace(recipe, seed=99), 1, cluster, "a")
    assert again.fingerprint == jobs[0].fingerprint, "the seed is the control's, not the recipe's"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "coco"}, "control: dataset: some has stick_figures, changed coco"),
        ({"flip_test": True}, "control: evaluation.flip_test: some has False, changed True"),
        ({"recipe": "demo_higher_hrnet"}, "control: what is read: some has people in boxes"),
    ],
)
def test_recipes_whose_numbers_mean_another_thing_are_refused(
    change: dict[str, Any], said: str
) -> None:
    some = load("one")
    changed = load_recipe(change["recipe"]) if "recipe" in change else some
    if "dataset" in change:
        changed = replace(some, dataset=change["dataset"])
    if "flip_test" in change:
        changed = replace(some, evaluation=replace(some.evaluation, flip_test=True))
    with pytest.raises(ValueError, match=said):
        control.refuse_other_protocols(("some", "changed"), some, changed)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["demo_hrnet", "demo_hrnet"], "control: given 'demo_hrnet', accepted: two recipes"),
        (["demo_hrnet", "demo_hrnets"], "did you mean 'demo_hrnet'"),
        (["demo_hrnet", "demo_simple_baseline", "--seeds", "1,1"], "--seeds: given '1,1'"),
        (["demo_hrnet", "demo_simple_baseline", "--seeds", "1;2"], "--seeds: given '1;2'"),
    ],
)
def test_what_cannot_be_controlled_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    assert control.main(given) == 2
    assert said in capsys.readouterr().err and not places.runs().exists()


@pytest.mark.parametrize(
    ("first", "second", "networks"),
    [
        ("demo_ca_hrnet", "demo_hrnet_as_ca_hrnet", {"architecture.name"}),
        ("demo_pose_renet", "demo_hrnet_as_pose_renet", {"refine.name"}),
    ],
)
def test_the_demos_differ_in_their_networks_alone(
    first: str, second: str, networks: set[str]
) -> None:
    found = recipe_differences(load_recipe(first), load_recipe(second))
    assert {each.key for each in found.networks} == networks and found.networks_alone
