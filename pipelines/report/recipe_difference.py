"""What differs between two recipes: the networks, and whatever else would be mixed into a gap.

A gap between two trainings is the networks' alone where nothing else differs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from data.menus import CODECS
from models.menus import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines.recipe.build import architecture_options, build_architecture
from pipelines.recipe.schema import FieldLoss, Recipe
from pipelines.report.markdown import NONE, markdown_table

NETWORK = ("architecture", "refine")
LEFT_OUT = ("published", "cite")  # they decide no training
ABSENT = object()
OPTIONS = {  # where options are given -> the menu that knows their defaults
    "codec": CODECS,
    "refine": REFINEMENTS,
    "architecture": ARCHITECTURES,
}


@dataclass(frozen=True)
class Difference:
    """A key of the recipe, as `-S` of DVC writes it, and its value in both; ABSENT: has none."""

    key: str
    first: Any
    second: Any


@dataclass(frozen=True)
class RecipeDifferences:
    """networks: architecture and refine; stages: weights of losses that differ because the one
    network paints more stages than the other; others: all the rest."""

    networks: list[Difference]
    stages: list[Difference]
    others: list[Difference]

    @property
    def networks_alone(self) -> bool:
        """Whether a gap between the two is the networks'."""
        return bool(self.networks) and not self.others


def recipe_differences(a: Recipe, b: Recipe) -> RecipeDifferences:
    """Key by key; an option that one of them leaves at its default equals that default."""
    mine, theirs = flattened(a), flattened(b)
    keys = sorted(mine.keys() | theirs.keys())
    both = [Difference(key, mine.get(key, ABSENT), theirs.get(key, ABSENT)) for key in keys]
    found = [each for each in (with_defaults(each, a, b) for each in both) if differs(each)]
    networks = [each for each in found if head(each) in NETWORK]
    rest = [each for each in found if head(each) not in NETWORK]
    uneven = stage_keys(a, b) if networks and any(head(each) == "losses" for each in rest) else ()
    return RecipeDifferences(
        networks,
        [each for each in rest if each.key in uneven],
        [each for each in rest if each.key not in uneven],
    )


def flattened(recipe: Recipe) -> dict[str, Any]:
    """{"optimizer.learning_rate": 0.001, ...}; lists are values, a plug that is null has no key."""
    content = {key: value for key, value in asdict(recipe).items() if key not in LEFT_OUT}
    content["losses"] = {
        name: asdict(loss) | {"weight": weights(recipe, name, loss)}
        for name, loss in recipe.losses.items()
    }
    return {
        key: value for key, value in _leaves(content, "") if key not in ("refine", "pretrained")
    }


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping) or path.endswith("stage_options"):
        return [(path, value)]
    dot = f"{path}." if path else ""
    return [leaf for key, each in value.items() for leaf in _leaves(each, f"{dot}{key}")]


def weights(recipe: Recipe, field: str, loss: FieldLoss) -> float | list[float]:
    """One number where all stages that paint the field weigh the same."""
    if not isinstance(loss.weight, list):
        return loss.weight
    alike = len(set(loss.weight)) == 1 and len(loss.weight) == stages(recipe, field)
    return loss.weight[0] if alike else loss.weight


def stages(recipe: Recipe, field: str) -> int:
    """How many stages of the recipe's network paint the field; builds no weights."""
    with torch.device("meta"):
        return sum(field in stage for stage in build_architecture(recipe).outputs)


def stage_keys(a: Recipe, b: Recipe) -> set[str]:
    """Keys of losses that cannot be alike, as the networks paint different numbers of stages."""
    shared = a.losses.keys() & b.losses.keys()
    uneven = [name for name in shared if stages(a, name) != stages(b, name)]
    return {f"losses.{name}.{key}" for name in uneven for key in ("weight", "stage_options")}


def differs(each: Difference) -> bool:
    """A loss that only one of them has is told by its name, not by what it leaves empty."""
    first, second = (
        None if value in (ABSENT, {}) else value for value in (each.first, each.second)
    )
    return bool(first != second)


def head(each: Difference) -> str:
    return each.key.partition(".")[0]


def with_defaults(each: Difference, a: Recipe, b: Recipe) -> Difference:
    """An option that is not given stands for the default of its plug, or of its variant."""
    first = default(each.key, a) if each.first is ABSENT else each.first
    second = default(each.key, b) if each.second is ABSENT else each.second
    return Difference(each.key, first, second)


def default(key: str, recipe: Recipe) -> Any:
    """What a plug takes where the recipe says nothing; ABSENT where it knows no such option."""
    place, _, option = key.rpartition(".options.")
    if place.startswith("losses."):
        loss = recipe.losses.get(place.removeprefix("losses."))
        return ABSENT if loss is None else _signature(LOSSES[loss.name], option)
    plug = getattr(recipe, place, None) if place in OPTIONS else None
    if plug is None:
        return ABSENT
    given = architecture_options(recipe) if place == "architecture" else {}
    kind = OPTIONS[place][plug.name]  # type: ignore[index]
    return given[option] if option in given else _signature(kind, option)


def _signature(kind: Any, option: str) -> Any:
    parameter = inspect.signature(kind).parameters.get(option)
    return (
        ABSENT if parameter is None or parameter.default is parameter.empty else parameter.default
    )


def differences_section(names: Sequence[str], found: RecipeDifferences) -> str:
    """The section of a page; `names`: of the two."""
    parts = ["## What differs between the recipes"]
    if found.networks:
        parts += ["The networks:", difference_table(names, found.networks)]
    else:
        parts.append("The networks are the same.")
    if found.stages:
        parts += [
            "Weights of the stages that they paint, of which one paints more:",
            difference_table(names, found.stages),
        ]
    if found.others:
        parts += [
            "Besides the networks, so that a gap is not theirs alone:"
            if found.networks
            else "Besides:",
            difference_table(names, found.others),
        ]
    else:
        end = "a gap is the networks'" if found.networks else "the recipes are one"
        parts.append(f"Nothing else differs: {end}.")
    return "\n\n".join(parts)


def difference_table(names: Sequence[str], found: Sequence[Difference]) -> str:
    rows = [[f"`{each.key}`", shown(each.first), shown(each.second)] for each in found]
    return markdown_table(["key", *names], rows)


def shown(value: Any) -> str:
    """As yaml would have it, near enough to be typed after `-S`."""
    if value is ABSENT:
        return NONE
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value).replace("|", "\\|")
