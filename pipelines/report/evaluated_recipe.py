"""The recipe that an evaluation is of: the one of today, where it is that one, or what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.ground.json_text import read_object
from data.ground.yaml_text import read_yaml
from pipelines.evaluation.folder import EvaluationFolder
from pipelines.host import places
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.reader import read_recipe, recipe_path
from pipelines.recipe.schema import Recipe


def evaluated_recipe(evaluation: EvaluationFolder) -> Recipe | None:
    """From recipes/, best.pt, or the card beside it; None where none of them is what it is of.

    Which one it is of is told by its digest, so a recipe that changed since is not taken for it.
    """
    for content, where in kept_recipes(evaluation):
        try:
            recipe = read_recipe(content(), where)
        except ValueError:
            continue  # missing, or of a code that knew other keys
        there = replace(recipe, dataset=evaluation.record.dataset)  # a champion on other data
        if there.digest() == evaluation.record.recipe_digest:
            return recipe
    return None


def kept_recipes(evaluation: EvaluationFolder) -> Iterator[tuple[Callable[[], Any], str]]:
    """Where that recipe may stand, the cheapest first: what reads it, and how it is called."""
    name = evaluation.record.recipe
    card, best = evaluation.path / places.CARD, places.best_weights(name)
    yield lambda: read_yaml(recipe_path(name)), f"recipes/{name}.yaml"
    yield lambda: read_object(card).get("recipe"), str(card)
    yield lambda: BestWeights.read(best).recipe, str(best)


def card_beside(evaluation: Path, card: Path) -> None:
    """Keeps a version's card with the copy of its evaluation."""
    (evaluation / places.CARD).write_bytes(card.read_bytes())
