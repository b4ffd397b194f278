"""What differs between two recipes: every key that decides a training, the networks apart."""

from __future__ import annotations

from typing import Any

import pytest

from data.ground.yaml_text import read_yaml
from pipelines.recipe.reader import read_as, read_recipe, recipe_names, recipe_path
from pipelines.recipe.schema import Recipe
from pipelines.report.recipe_difference import (
    RecipeDifferences,
    differences_section,
    recipe_differences,
)
from tests.worlds.results import recipe

DARK = {"name": "heatmap", "options": {"unbiased": True, "decoding": "dark"}}
HRNET = {"name": "hrnet", "variant": "demo"}
THREE = {"heatmaps": {"name": "keypoint_mse", "weight": [1.0, 1.0, 0.5]}}


def with_changes(**changes: Any) -> Recipe:
    return read_recipe(recipe().as_dict() | changes, "test")


def told(found: RecipeDifferences) -> list[list[str]]:
    """Keys of the networks, of the stages' weights, of the rest."""
    return [[each.key for each in part] for part in (found.networks, found.stages, found.others)]


@pytest.mark.parametrize(
    ("changes", "networks", "others"),
    [
        ({"seed": 2}, [], ["seed"]),
        ({"architecture": HRNET}, ["architecture.name"], []),
        ({"refine": "pose_renet"}, ["refine.name"], []),
        ({"augmentation": {"scale": 0.3}}, [], ["augmentation.scale"]),
        (
            {"codec": DARK, "pixels": "imagenet_bgr"},
            [],
            ["codec.options.decoding", "codec.options.unbiased", "pixels"],
        ),
        (
            {"pretrained": {"source": "https://a", "sha256": "0" * 8}},
            [],
            ["pretrained.sha256", "pretrained.source"],
        ),
    ],
)
def test_each_key_is_named_and_the_networks_stand_apart(
    changes: dict[str, Any], networks: list[str], others: list[str]
) -> None:
    found = recipe_differences(recipe(), with_changes(**changes))
    assert told(found) == [networks, [], others]
    assert found.networks_alone == (networks != [] and others == [])


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": {"name": "heatmap", "options": {"sigma": 2.0}}},
        {"architecture": {"name": "simple_baseline", "variant": "demo", "options": {"width": 16}}},
        {"losses": {"heatmaps": {"name": "keypoint_mse", "weight": [1.0]}}},
        {"cite": "A paper", "published": [{"source": "A paper", "metrics": {"AP@det": 0.7}}]},
    ],
)
def test_what_says_the_same_otherwise_is_no_difference(changes: dict[str, Any]) -> None:
    assert told(recipe_differences(recipe(), with_changes(**changes))) == [[], [], []]


def test_weights_of_more_stages_come_with_the_network() -> None:
    plain = with_changes(architecture=HRNET)
    refined = with_changes(architecture=HRNET, refine="pose_renet", losses=THREE)
    found = recipe_differences(refined, plain)
    assert told(found) == [["refine.name"], ["losses.heatmaps.weight"], []]
    assert found.networks_alone
    again = with_changes(architecture=HRNET, refine="pose_renet")
    assert told(recipe_differences(refined, again)) == [[], [], ["losses.heatmaps.weight"]]


def test_recipes_of_other_digests_always_differ() -> None:
    made = [read_as(Recipe, read_yaml(recipe_path(name)), name) for name in recipe_names()]
    for one, other in zip(made[::2], made[1::2], strict=False):  # neighbours, the most alike
        if one.digest() != other.digest():
            assert told(recipe_differences(one, other)) != [[], [], []]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing else differs: the recipes are one."),
        ({"architecture": HRNET}, "Nothing else differs: a gap is the networks'."),
        ({"architecture": HRNET, "seed": 2}, "| `seed` | 2 | 1 |"),
    ],
)
def test_the_section_says_whose_a_gap_is(changes: dict[str, Any], said: str) -> None:
    found = recipe_differences(with_changes(**changes), recipe())
    assert said in differences_section(("a", "b"), found)
