"""Digests of all that stages may run: recipes of every kind, data sets, stages without either."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from unittest.mock import patch

from data.ground.yaml_text import read_yaml
from data.menus import DATASETS
from pipelines.digests import deciding
from pipelines.digests.deciding import (
    Deciding,
    compares,
    detects,
    fetches,
    prepares,
    promotes,
    scores,
    trains,
)
from pipelines.digests.sources import Sources
from pipelines.recipe.reader import read_as, recipe_names, recipe_path
from pipelines.recipe.schema import Recipe

HERE = Sources()  # the checkout, each file read once
settings_here = cache(deciding.deciding_settings)  # and its params.yaml


@cache
def recipes() -> dict[str, Recipe]:
    """Of recipes/ those that use what none before them does; not held against the menus."""
    chosen: dict[str, Recipe] = {}
    seen: set[tuple[str, str]] = set()
    for name in recipe_names():
        recipe = read_as(Recipe, read_yaml(recipe_path(name)), name)
        if plugs := plugs_of(recipe) - seen:
            chosen[name] = recipe
            seen |= plugs
    return chosen | {"by_distance": _scored_by_distance(next(iter(chosen.values())))}


def _scored_by_distance(recipe: Recipe) -> Recipe:
    """As users' recipes are, of whose evaluator none here is."""
    evaluator, monitor = "keypoint_distance", "PCK@0.1@gt"
    changes = replace(recipe.evaluation, evaluator=evaluator, monitor=monitor)
    return replace(recipe, evaluation=changes)


def plugs_of(recipe: Recipe) -> set[tuple[str, str]]:
    return {
        ("dataset", recipe.dataset),
        ("codec", recipe.codec.name),
        ("architecture", recipe.architecture.name),
        ("evaluator", recipe.evaluation.evaluator),
        ("refine", recipe.refine.name if recipe.refine else ""),
        *(("loss", loss.name) for loss in recipe.losses.values()),
    }


def deciding_code(sources: Sources = HERE) -> dict[str, Deciding]:
    """By stage and what it is run on: `train@demo_hrnet`, `prepare@coco`, `promote`."""
    kinds = {"train": trains, "evaluate": scores}
    code = {
        f"{stage}@{name}": decide(recipe, sources)
        for name, recipe in recipes().items()
        for stage, decide in kinds.items()
    }
    for name in DATASETS:
        code[f"fetch@{name}"] = fetches(name, sources)
        code[f"prepare@{name}"] = prepares(name, sources)
        code[f"detect@{name}"] = detects(name, sources)
    return code | {"compare": compares(DATASETS, sources), "promote": promotes(sources)}


def digests(sources: Sources) -> dict[str, dict[str, str]]:
    with patch.object(deciding, "deciding_settings", settings_here):
        return {name: code.digests(sources) for name, code in deciding_code(sources).items()}


@cache
def digests_here() -> dict[str, dict[str, str]]:
    return digests(HERE)


def changed(texts: dict[str, str]) -> set[str]:
    """Whose digests come out otherwise where files hold those texts."""
    before, after = digests_here(), digests(HERE.having(texts))
    return {name for name in before if before[name] != after[name]}
