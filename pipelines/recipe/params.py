"""`params.yaml`: what runs, where data are; read, checked, and added to with its comments kept."""

from __future__ import annotations

from typing import Any

from data import DATASETS
from pipelines.host.places import REPOSITORY
from pipelines.recipe.reader import read_yaml
from pipelines.recipe.schema import Recipe

MOST_MEMBERS = 3  # of a mixture, as many as dvc.yaml names


def dataset_settings(dataset: str) -> dict[str, Any]:
    """`datasets.DATASET` of params.yaml. Raises ValueError where there is none."""
    settings = load_params().get("datasets", {}).get(dataset)
    if dataset not in DATASETS or not isinstance(settings, dict):
        raise ValueError(
            f"params.yaml: datasets.{dataset}: not there or on no menu; "
            f"accepted: {', '.join(DATASETS)}"
        )
    return settings


def load_params() -> dict[str, Any]:
    """`params.yaml`: which recipes run, where data and cluster are."""
    content = read_yaml(REPOSITORY / "params.yaml")
    if not isinstance(content, dict):
        raise ValueError("params.yaml: expected keys run, datasets, cluster, tracking")
    return content


def run_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run:` of params.yaml holds of a recipe, for DVC."""
    return {"dataset": recipe.dataset}


def sources(recipe: Recipe) -> list[str]:
    """The data sets that are fetched for a recipe: its own, or the members of its mixture."""
    from data import DATASETS

    return list(getattr(DATASETS[recipe.dataset], "members", [recipe.dataset]))


def mixture_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run.mixtures` of params.yaml holds for a recipe; members padded for dvc.yaml."""
    members = sources(recipe)
    if members == [recipe.dataset]:
        return {}
    return {recipe.dataset: {"members": [*members, *members[-1:] * (MOST_MEMBERS - len(members))]}}


def check_run(name: str, recipe: Recipe) -> None:
    """ValueError where `run:` of params.yaml says something else of a recipe than its file."""
    run = load_params().get("run", {})
    entry = run.get("recipes", {}).get(name)
    expected = run_entry(recipe)
    if entry is not None and entry != expected:
        raise ValueError(
            f"params.yaml: run.recipes.{name}: given {entry}, accepted: {expected} "
            f"(what recipes/{name}.yaml says; `make repro RECIPE={name}` writes it)"
        )
    mixtures = mixture_entry(recipe)
    missing = [d for d in sources(recipe) if d not in run.get("datasets", [])]
    if entry is not None and missing:
        raise ValueError(f"params.yaml: run.datasets: {missing[0]!r} is missing ({name})")
    for dataset, members in mixtures.items() if entry is not None else ():
        given = run.get("mixtures", {}).get(dataset)
        if given != members:
            raise ValueError(f"params.yaml: run.mixtures.{dataset}: given {given}, accepted: "
                             f"{members} ({name})")  # fmt: skip


def add_to_run(name: str, recipe: Recipe) -> None:
    """Writes the recipe's entry into `run:` of params.yaml, comments kept, if it is not there."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    path = REPOSITORY / "params.yaml"
    editor = YAML()
    editor.width = 200
    editor.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = editor.load(path.read_text())
    run = content["run"]
    if run["recipes"].get(name) != run_entry(recipe):
        entry = CommentedMap(run_entry(recipe))
        entry.fa.set_flow_style()
        run["recipes"][name] = entry
        run["datasets"] += [d for d in sources(recipe) if d not in run["datasets"]]
        run.setdefault("mixtures", {}).update(mixture_entry(recipe))
        with path.open("w") as file:
            editor.dump(content, file)
        print(f"params.yaml: {name} added to what runs", flush=True)
    check_run(name, recipe)
