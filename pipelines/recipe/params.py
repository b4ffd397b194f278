"""`params.yaml`: what runs, where data are; read, checked, and added to with its comments kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal, shown
from data.ground.yaml_text import read_yaml
from pipelines.host.places import REPOSITORY
from pipelines.recipe.addresses import check_params
from pipelines.recipe.datasets import data_set, own_entries, read_source
from pipelines.recipe.schema import Recipe
from pipelines.recipe.strict import hint, read
from pipelines.recipe.yaml_edits import edited, on_one_line

PARAMS = REPOSITORY / "params.yaml"
MOST_MEMBERS = 3  # of a mixture, as many as dvc.yaml names


@dataclass(frozen=True)
class _Run:
    """`run:` of params.yaml; what it says of a recipe is held against the recipe."""

    recipes: dict[str, Any] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    mixtures: dict[str, Any] = field(default_factory=dict)


_MAPPING = dict[str, Any] | None
_SECTIONS: dict[str, Any] = {
    "run": _Run | None,
    "datasets": dict[str, dict[str, Any]] | None,
    "detectors": Any,
    "detect": Any,
    "cluster": _MAPPING,
    "storage": Any,
    "regions": Any,
    "s3": _MAPPING,
    "tracking": _MAPPING,
}


def dataset_settings(dataset: str, path: Path = PARAMS) -> dict[str, Any]:
    """`datasets.DATASET` of params.yaml. Raises ValueError where there is none."""
    data_set(dataset, path)  # says which names there are
    settings = load_params(path).get("datasets", {}).get(dataset)
    if not isinstance(settings, dict):
        where = f"params.yaml: datasets.{dataset}"
        raise refusal(where, given=settings, accepted="its settings, a mapping")
    if dataset in own_entries(path):
        source = read_source(settings, f"params.yaml: datasets.{dataset}")
        return settings | {"bad_row_limit": source.bad_row_limit}
    return settings


def load_params(path: Path = PARAMS) -> dict[str, Any]:
    """`params.yaml`: which recipes run, where data and cluster are.

    Raises ValueError for what is none, and for an address with a password.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        accepted = "a mapping with run, datasets, cluster, tracking"
        raise refusal("params.yaml", given=content, accepted=accepted)
    check_params(content)
    _check_shape(content)
    return {key: each for key, each in content.items() if each is not None}


def _check_shape(content: Mapping[Any, Any]) -> None:
    """What stands in a section its own readers check; here, that it is one."""
    for key, value in content.items():
        if key in _SECTIONS:
            read(_SECTIONS[key], value, "params.yaml", key)
        elif near := hint(key, _SECTIONS):
            raise ValueError(f"params.yaml: {shown(key)}: unknown key{near}")


def run_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run:` of params.yaml holds of a recipe, for DVC."""
    return {"dataset": recipe.dataset}


def sources(recipe: Recipe) -> list[str]:
    """The data sets that are fetched for a recipe: its own, or those that it is made of."""
    return list(data_set(recipe.dataset).members) or [recipe.dataset]


def mixture_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run.mixtures` of params.yaml holds for a recipe; members padded for dvc.yaml."""
    members = sources(recipe)
    if members == [recipe.dataset]:
        return {}
    return {recipe.dataset: {"members": [*members, *members[-1:] * (MOST_MEMBERS - len(members))]}}


def check_run(name: str, recipe: Recipe, path: Path = PARAMS) -> None:
    """ValueError where `run:` of params.yaml says something else of a recipe than its file."""
    run = load_params(path).get("run", {})
    entry = run.get("recipes", {}).get(name)
    expected = run_entry(recipe)
    if entry is not None and entry != expected:
        accepted = (
            f"{expected} (what recipes/{name}.yaml says; `make repro RECIPE={name}` writes it)"
        )
        raise refusal(f"params.yaml: run.recipes.{name}", given=entry, accepted=accepted)
    mixtures = mixture_entry(recipe)
    missing = [d for d in sources(recipe) if d not in run.get("datasets", [])]
    if entry is not None and missing:
        raise refusal("params.yaml: run.datasets", fault=f"{missing[0]!r} is missing ({name})")
    for dataset, members in mixtures.items() if entry is not None else ():
        entered = run.get("mixtures", {}).get(dataset)
        if entered != members:
            where = f"params.yaml: run.mixtures.{dataset}"
            raise refusal(where, given=entered, accepted=f"{members} ({name})")


def add_to_run(name: str, recipe: Recipe, path: Path = PARAMS) -> None:
    """Writes the recipe's entry into `run:` of params.yaml, comments kept, if it is not there."""
    if load_params(path)["run"]["recipes"].get(name) != run_entry(recipe):
        with edited(path) as content:
            run = content["run"]
            run["recipes"][name] = on_one_line(run_entry(recipe))
            run["datasets"] += [d for d in sources(recipe) if d not in run["datasets"]]
            run.setdefault("mixtures", {}).update(mixture_entry(recipe))
        print(f"params.yaml: {name} added to what runs", flush=True)
    check_run(name, recipe, path)


def add_data_set(name: str, entry: Mapping[str, Any], path: Path = PARAMS) -> None:
    """Writes an own data set's entry below `datasets:` of params.yaml, comments kept.

    Raises ValueError where there is one of that name, or where the entry is none.
    """
    read_source(entry, f"params.yaml: datasets.{name}")
    with edited(path) as content:
        entries = content["datasets"]
        if name in entries:
            raise refusal(f"params.yaml: datasets.{name}", fault="is there already")
        told = {k: on_one_line(v) if isinstance(v, dict) else v for k, v in entry.items()}
        entries.insert(0, name, told)  # first: what stands behind the last may be of what follows


def remove_data_set(name: str, path: Path = PARAMS) -> None:
    """Takes an own data set's entry out of params.yaml; what others wrote there meanwhile stays."""
    with edited(path) as content:
        del content["datasets"][name]
