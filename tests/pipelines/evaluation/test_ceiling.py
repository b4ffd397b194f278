"""The ceiling: the truth written as fields and read back scores nearly all that there is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipelines.evaluation.ceiling import ceiling, told
from pipelines.host import places
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw_at_home

pytestmark = pytest.mark.usefixtures("home", "one_thread")


@pytest.mark.parametrize(
    ("name", "key"), [("demo_hrnet", "AP@gt"), ("demo_higher_hrnet", "AP@image")]
)
def test_the_truth_is_read_back_from_its_own_fields(name: str, key: str) -> None:
    draw_at_home(train=2, val=4)
    most = ceiling(load_recipe(name))
    assert 0.9 < most[key] <= 1
    assert {number.rpartition("@")[2] for number in most} == {key.rpartition("@")[2]}


def test_coarse_cells_cost_something() -> None:
    draw_at_home(train=2, val=4)
    recipe = load_recipe("demo_hrnet")
    codec = replace(recipe.codec, options={"sigma": 1.0, "decoding": "argmax"})
    coarse = replace(recipe, codec=codec, input_size=[32, 32])
    assert ceiling(coarse)["AP@gt"] < 0.9 < ceiling(recipe)["AP@gt"]


def test_what_was_reached_stands_beside_it() -> None:
    draw_at_home(train=2, val=4)
    assert all("reached" not in line for line in told("demo_hrnet"))
    path = places.recipe_metrics("demo_hrnet")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"AP@gt": 0.5}))
    (line,) = (line for line in told("demo_hrnet") if "AP@gt" in line)
    assert "reached 0.500 (5" in line
