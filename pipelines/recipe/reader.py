"""`recipes/NAME.yaml` in, a checked `Recipe` out. The only reader of yaml beside `params`."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from data.ground.yaml_text import read_yaml
from pipelines.host.places import REPOSITORY
from pipelines.recipe.addresses import check_addresses
from pipelines.recipe.check import check_recipe
from pipelines.recipe.schema import Recipe
from pipelines.recipe.strict import nearest, read

Kind = TypeVar("Kind")


def recipe_path(name: str) -> Path:
    return REPOSITORY / "recipes" / f"{name}.yaml"


def recipe_names() -> list[str]:
    return sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of that name, checked: types here, values against the menus in `check`.

    Raises ValueError that names file, place, what was given and what is accepted; also for an
    address with a password.
    """
    path = recipe_path(name)
    if not path.is_file():
        raise ValueError(f"no recipe {name!r} in recipes/{nearest(name, recipe_names())}")
    content, where = read_yaml(path), str(path.relative_to(REPOSITORY))
    check_addresses(content, where)
    return read_recipe(content, where)


def read_recipe(content: object, where: str) -> Recipe:
    """A recipe from plain yaml or json data (a checkpoint's, say), strictly."""
    recipe: Recipe = read(Recipe, content, where)
    check_recipe(recipe, where)
    return recipe


def read_as(kind: type[Kind], content: object, where: str) -> Kind:
    """Plain yaml data as the dataclass `kind`, as strictly as a recipe."""
    made: Kind = read(kind, content, where)
    return made
