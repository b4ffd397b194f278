"""A recipe by its types alone: without the menus, which would load torch and what photos take.

For what needs a single value of a recipe that a stage before or behind checks whole.
"""

from __future__ import annotations

from data.ground.yaml_text import read_yaml
from pipelines.host import places
from pipelines.recipe.addresses import check_addresses
from pipelines.recipe.params import PARAMS
from pipelines.recipe.schema import Recipe
from pipelines.recipe.strict import read


def typed_recipe(name: str) -> Recipe:
    """recipes/NAME.yaml, its keys and types checked, but no name against a menu.

    Raises ValueError as `reader.load_recipe` does, also for a name that there is not.
    """
    path = places.REPOSITORY / "recipes" / f"{name}.yaml"
    if not path.is_file():
        from pipelines.recipe.reader import load_recipe

        return load_recipe(name)  # which says what there is
    content, where = read_yaml(path), str(path.relative_to(places.REPOSITORY))
    check_addresses(content, where)
    recipe: Recipe = read(Recipe, content, where)
    return recipe


def checked_before(name: str) -> bool:
    """Whether the stage `code` has checked that recipe, and neither the recipe's file nor
    params.yaml was written since; where code has changed, DVC has that stage check again."""
    digests = places.code() / name / "train.json"
    files = (places.REPOSITORY / "recipes" / f"{name}.yaml", PARAMS)
    if not all(path.is_file() for path in (digests, *files)):
        return False
    return digests.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in files)
