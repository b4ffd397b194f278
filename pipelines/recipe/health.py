"""What can be wrong with params.yaml and the recipes that it runs."""

from __future__ import annotations

from pipelines.host.checkup import OK, WRONG, Check, Finding
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.storage import read_s3, read_storage


def params() -> Finding:
    """Raises ValueError in the words of whoever reads the key."""
    told = load_params()
    read_s3(told)
    read_storage(told)
    for cards in range(3):  # as many as the profiles of `auto` differ by
        read_cluster(told, cards)
    return Finding("params.yaml", OK, f"profile {told['cluster'].get('profile', 'auto')}")


def recipes() -> list[Finding]:
    """Of those that `run:` names."""
    names = list((load_params().get("run") or {}).get("recipes") or {})
    wrong = [finding for name in names for finding in recipe(name)]
    return wrong or [Finding("recipes", OK, ", ".join(names) or "none in run: of params.yaml")]


def recipe(name: str) -> list[Finding]:
    try:
        load_recipe(name)
    except ValueError as error:
        return [Finding("recipes", WRONG, str(error), "edit it, or take it out of run: there")]
    return []


CHECKS = (Check("params.yaml", params), Check("recipes", recipes))
