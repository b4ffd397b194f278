"""Which files decide what a stage leaves: imports followed from where the work is done.

A menu is not followed: of what stands on it only what a recipe names counts. What tells and decides
nothing is not followed either. So a new skeleton, data set, codec, network, loss or evaluator
re-runs nothing that does not use it, and no list of names can fall behind.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from data.ground.data_set import DataSet
from data.ground.refusal import refusal
from data.menus import CODECS, DATASETS
from models.menus import ARCHITECTURES
from pipelines.digests.sources import Sources
from pipelines.host.imports import reached
from pipelines.recipe.schema import Recipe

TRAINING = ("pipelines/training/loop.py", "pipelines/training/results.py")
MEASURING = ("pipelines/evaluation/measure.py",)
PREPARING = ("pipelines/intake/preparing.py",)
FETCHING = ("pipelines/intake/sources.py",)
COMPARING = ("pipelines/compare.py",)
PROMOTING = ("pipelines/promote.py",)
TELLS = {  # files and folders -> why they decide nothing
    "data/ground/refusal.py": "words of refusals",
    "models/refusal.py": "words of refusals",
    "pipelines/evaluation/pictures.py": "pictures",
    "pipelines/host/places.py": "where things lie",
    "pipelines/host/processes.py": "who works, not what comes out",
    "pipelines/host/progress.py": "progress, clocks",
    "pipelines/intake/preview.py": "a picture",
    "pipelines/pictures": "pictures",
    "pipelines/recipe/check.py": "refuses a recipe, changes none",
    "pipelines/training/pictures.py": "pictures",
}
Plug = tuple[str, object]  # menu, name


class Deciding(NamedTuple):
    """Places of files that decide; by name, what else does: lines of menus, a variant."""

    files: list[str]
    values: dict[str, str]

    def digests(self, sources: Sources) -> dict[str, str]:
        values = {name: sha256(text) for name, text in self.values.items()}
        return {place: sources.digest(place) for place in self.files} | values


def trains(recipe: Recipe, sources: Sources) -> Deciding:
    """What decides what a training of the recipe ends with."""
    losses: list[Plug] = [("LOSSES", loss.name) for loss in recipe.losses.values()]
    files, values = _decide(TRAINING, [*_plugs(recipe), *losses], sources)
    return Deciding(files, values | variant(recipe))


def scores(recipe: Recipe, sources: Sources) -> Deciding:
    """What decides how a trained network of the recipe scores."""
    files, values = _decide(MEASURING, _plugs(recipe), sources)
    return Deciding(files, values | variant(recipe))


def prepares(dataset: str, sources: Sources) -> Deciding:
    """What decides the tables of a data set; of a mixture its members too."""
    return _decide(PREPARING, [("DATASETS", dataset)], sources)


def fetches(dataset: str, sources: Sources) -> Deciding:
    """What decides the raw files of a data set: its code where it makes them, else its layout."""
    if (layout := on_menu(dataset).LAYOUT) is None:
        return _decide(FETCHING, [("DATASETS", dataset)], sources)
    files, values = _decide(FETCHING, [], sources)
    return Deciding(files, values | {f"DATASETS[{dataset}].LAYOUT": repr(layout)})


def compares(datasets: Iterable[str], sources: Sources) -> Deciding:
    """What decides the report; what it reads is decided by others, but for what papers count."""
    files, values = _decide(COMPARING, [], sources)
    published = {f"DATASETS[{name}].PUBLISHED": repr(on_menu(name).PUBLISHED) for name in datasets}
    return Deciding(files, values | published)


def promotes(sources: Sources) -> Deciding:
    """What decides who is registered, as what, and who is champion."""
    return _decide(PROMOTING, [], sources)


def variant(recipe: Recipe) -> dict[str, str]:
    """The network's variant by its value: the file's other variants do not count."""
    name, key = recipe.architecture.name, recipe.architecture.variant
    options = ARCHITECTURES[name].VARIANTS[key]
    return {f"ARCHITECTURES[{name}].VARIANTS[{key}]": json.dumps(options, sort_keys=True)}


def on_menu(dataset: str) -> DataSet:
    """Raises ValueError for a name that is on no menu."""
    if dataset not in DATASETS:
        where = "params.yaml: run: data set"
        raise refusal(where, given=dataset, accepted=", ".join(DATASETS))
    return DATASETS[dataset]


def _plugs(recipe: Recipe) -> list[Plug]:
    """What both a training and an evaluation are made of."""
    refined: list[Plug] = [("REFINEMENTS", recipe.refine.name)] if recipe.refine else []
    return [
        ("DATASETS", recipe.dataset),
        ("CODECS", recipe.codec.name),
        ("FEEDS", CODECS[recipe.codec.name].whole_image),
        ("ARCHITECTURES", recipe.architecture.name),
        *refined,
        ("EVALUATORS", recipe.evaluation.evaluator),
    ]


def _decide(roots: Iterable[str], plugs: Iterable[Plug], sources: Sources) -> Deciding:
    """Roots and plugs, and at any depth what they name, but for menus and for what only tells."""
    lines = {f"{menu}[{name}]": sources.line(menu, name) for menu, name in plugs}
    first = [*roots, *(file for line in lines.values() for file in line.files)]

    def followed(place: str) -> list[str]:
        return [named for named in sources.named(place) if not tells(named)]

    said = {name: line.text for name, line in lines.items()}
    return Deciding(sorted(reached(first, followed)), said)


@cache
def tells(place: str) -> str:
    """Why a file decides nothing; "" where it does."""
    folders = (parent.as_posix() for parent in Path(place).parents)
    return next((TELLS[name] for name in (place, *folders) if name in TELLS), "")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
