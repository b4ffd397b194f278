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

from data.ground.skeleton import plain_skeleton
from data.menus import CODECS, DATASETS, EVALUATORS
from models.menus import ARCHITECTURES
from pipelines.digests.sources import Sources
from pipelines.host.imports import reached
from pipelines.recipe.datasets import data_set, own_entries, read_source
from pipelines.recipe.detectors import deciding_settings
from pipelines.recipe.schema import Recipe

TRAINING = ("pipelines/training/loop.py", "pipelines/training/results.py")
MEASURING = ("pipelines/evaluation/measure.py",)
PREPARING = ("pipelines/intake/preparing.py",)
DETECTING = ("pipelines/detection/detecting.py", "pipelines/detection/opening.py")
FETCHING = ("pipelines/intake/sources.py",)
BRINGING = ("pipelines/intake/download.py",)  # a file of a known sha256
COMPARING = ("pipelines/compare.py",)
OWN_DATA = "data/datasets/own.py"  # the class of data sets that are entries of params.yaml
PROMOTING = ("pipelines/promote.py",)
TELLS = {  # files and folders -> why they decide nothing
    "data/ground/refusal.py": "words of refusals",
    "models/refusal.py": "words of refusals",
    "pipelines/evaluation/pictures.py": "pictures",
    "pipelines/host/places.py": "where things lie",
    "pipelines/host/processes.py": "who works, not what comes out",
    "pipelines/host/progress.py": "progress, clocks",
    "pipelines/host/signals.py": "who ends, not what comes out",
    "pipelines/host/writable.py": "words of refusals",
    "pipelines/intake/given_names.py": "words of refusals",
    "pipelines/intake/preview.py": "a picture",
    "pipelines/pictures": "pictures",
    "pipelines/recipe/addresses.py": "refuses passwords, changes nothing",
    "pipelines/recipe/check.py": "refuses a recipe, changes none",
    "pipelines/recipe/datasets.py": "finds a data set by its name: what it finds counts for itself",
    "pipelines/recipe/detectors.py": "finds a detector by its name: its entry counts for itself",
    "pipelines/recipe/params.py": "reads params.yaml: what stands there counts for itself",
    "pipelines/store": "how files travel: what comes is what was sent, or refused",
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
    roots = [*TRAINING, *own_files(recipe.dataset)]
    files, values = _decide(roots, [*_plugs(recipe), *losses], sources)
    return Deciding(files, values | variant(recipe))


def training_code(recipe: Recipe) -> str:
    """One digest of what `trains` finds in this checkout."""
    sources = Sources()
    return sha256(json.dumps(trains(recipe, sources).digests(sources), sort_keys=True))


def scores(recipe: Recipe, sources: Sources) -> Deciding:
    """What decides how a trained network of the recipe scores, from a detector's boxes too."""
    files, values = _decide([*MEASURING, *own_files(recipe.dataset)], _plugs(recipe), sources)
    values |= detector_boxes(recipe, sources)
    return Deciding(files, values | variant(recipe))


def detector_boxes(recipe: Recipe, sources: Sources) -> dict[str, str]:
    """What decides the boxes of a detector that the recipe is scored from; {} where of none."""
    by_person = EVALUATORS[recipe.evaluation.evaluator].by_person
    if CODECS[recipe.codec.name].whole_image or by_person or not deciding_settings(recipe.dataset):
        return {}
    found = detects(recipe.dataset, sources).digests(sources)
    return {"a detector's boxes": json.dumps(found, sort_keys=True)}


def prepares(dataset: str, sources: Sources) -> Deciding:
    """What decides the tables of a data set; of a mixture its members too."""
    roots = [*PREPARING, *own_files(dataset)]
    files, values = _decide(roots, data_plugs(dataset), sources)
    return Deciding(files, values | own_skeleton(dataset))


def detects(dataset: str, sources: Sources) -> Deciding:
    """What decides whom a detector finds in a data set, and how good its boxes are.

    Of params.yaml the detector's entry, whose sha256 says which file it is.
    """
    files, values = _decide([*DETECTING, *own_files(dataset)], data_plugs(dataset), sources)
    files = [place for place in files if place not in BRINGING]
    return Deciding(files, values | {"detector": deciding_settings(dataset)})


def fetches(dataset: str, sources: Sources) -> Deciding:
    """What decides the raw files of a data set: its code where it makes them, else its layout.

    Of an own one that is the reader of its format, and the skeleton whose order its rows get.
    """
    plugs = data_plugs(dataset)
    if dataset not in DATASETS:
        source = read_source(own_entries()[dataset], f"params.yaml: datasets.{dataset}")
        plugs = [("READERS", source.format)]
    elif (layout := DATASETS[dataset].LAYOUT) is not None:
        files, values = _decide(FETCHING, [], sources)
        return Deciding(files, values | {f"DATASETS[{dataset}].LAYOUT": repr(layout)})
    files, values = _decide([*FETCHING, *own_files(dataset)], plugs, sources)
    return Deciding(files, values | own_skeleton(dataset))


def compares(datasets: Iterable[str], sources: Sources) -> Deciding:
    """What decides the report; what it reads is decided by others, but for what papers count."""
    files, values = _decide(COMPARING, [], sources)
    kinds = {name: data_set(name) for name in datasets}
    published = {f"DATASETS[{name}].PUBLISHED": repr(kinds[name].PUBLISHED) for name in kinds}
    return Deciding(files, values | published)


def promotes(sources: Sources) -> Deciding:
    """What decides who is registered, as what, and who is champion."""
    return _decide(PROMOTING, [], sources)


def variant(recipe: Recipe) -> dict[str, str]:
    """The network's variant by its value: the file's other variants do not count."""
    name, key = recipe.architecture.name, recipe.architecture.variant
    options = ARCHITECTURES[name].VARIANTS[key]
    return {f"ARCHITECTURES[{name}].VARIANTS[{key}]": json.dumps(options, sort_keys=True)}


def data_plugs(dataset: str) -> list[Plug]:
    """Its line on the menu; none of an own one. Raises ValueError for an unknown name."""
    data_set(dataset)
    return [("DATASETS", dataset)] if dataset in DATASETS else []


def own_files(dataset: str) -> list[str]:
    """The class of own data sets, where it is one."""
    return [] if dataset in DATASETS else [OWN_DATA]


def own_skeleton(dataset: str) -> dict[str, str]:
    """The values of an own data set's skeleton, wherever its file lies."""
    if dataset in DATASETS:
        return {}
    return {"skeleton": json.dumps(plain_skeleton(data_set(dataset).SKELETON), sort_keys=True)}


def _plugs(recipe: Recipe) -> list[Plug]:
    """What both a training and an evaluation are made of."""
    refined: list[Plug] = [("REFINEMENTS", recipe.refine.name)] if recipe.refine else []
    return [
        *data_plugs(recipe.dataset),
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
