"""Which files decide what a stage leaves: imports followed from where the work is done.

A menu is not followed: of what stands on it only what a recipe names counts. What tells and decides
nothing is not followed either. So a new skeleton, data set, codec, network, loss or evaluator
re-runs nothing that does not use it, and no list of names can fall behind.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data import CODECS, DATASETS, EVALUATORS
from models import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines.digests.sources import file_digests
from pipelines.host.imports import named_files, reached
from pipelines.host.places import REPOSITORY
from pipelines.prediction.feeds import FEEDS
from pipelines.recipe.schema import Recipe

TRAINING = ("pipelines/training/loop.py", "pipelines/training/results.py")
MEASURING = ("pipelines/evaluation/measure.py",)
PREPARING = ("pipelines/intake/preparing.py",)
FETCHING = ("pipelines/intake/sources.py",)
COMMANDS = ("pipelines/compare.py", "pipelines/promote.py")
# a new line on a menu changes no result: plugs are added by name
MENUS = ("data/__init__.py", "models/__init__.py", "pipelines/prediction/feeds.py")
TELLS = {  # files and folders -> why they decide nothing
    "data/ground/refusal.py": "words of refusals",
    "models/refusal.py": "words of refusals",
    "pipelines/evaluation/pictures.py": "pictures",
    "pipelines/host/places.py": "where things lie",
    "pipelines/host/progress.py": "progress, clocks",
    "pipelines/intake/preview.py": "a picture",
    "pipelines/pictures": "pictures",
    "pipelines/recipe/check.py": "refuses a recipe, changes none",
    "pipelines/tracking": "what is told to MLflow",
    "pipelines/training/pictures.py": "pictures",
}


def trains(recipe: Recipe) -> dict[str, str]:
    """Digests of what decides what a training of the recipe ends with."""
    losses = [LOSSES[loss.name] for loss in recipe.losses.values()]
    plugs = [*_network(recipe), *losses, EVALUATORS[recipe.evaluation.evaluator]]
    return _digests([*_files(TRAINING), *map(plug_file, plugs)]) | variant(recipe)


def scores(recipe: Recipe) -> dict[str, str]:
    """Digests of what decides how a trained network of the recipe scores."""
    plugs = [*_network(recipe), EVALUATORS[recipe.evaluation.evaluator]]
    return _digests([*_files(MEASURING), *map(plug_file, plugs)]) | variant(recipe)


def prepares(dataset: str) -> dict[str, str]:
    """Digests of what decides the tables of a data set; of a mixture its members' too."""
    return _digests([*_files(PREPARING), *dataset_files(dataset)])


def fetches(dataset: str) -> dict[str, str]:
    """Digests of what decides the raw files of a data set."""
    return _digests([*_files(FETCHING), *dataset_files(dataset)])


def runs(command: str) -> dict[str, str]:
    """Digests of all that a stage without recipes reaches."""
    return _digests(_files([command]))


def variant(recipe: Recipe) -> dict[str, str]:
    """The network's variant by its value: the file's other variants do not count."""
    kind, name = ARCHITECTURES[recipe.architecture.name], recipe.architecture.variant
    options = kind.VARIANTS[name]
    return {f"{recipe.architecture.name}.VARIANTS[{name}]": json.dumps(options, default=repr)}


def _network(recipe: Recipe) -> list[Any]:
    codec: Any = CODECS[recipe.codec.name]
    refined = [REFINEMENTS[recipe.refine.name]] if recipe.refine else []
    feed = FEEDS[codec.whole_image]
    network, dataset = ARCHITECTURES[recipe.architecture.name], DATASETS[recipe.dataset]
    return [network, codec, *refined, feed, dataset]


def dataset_files(dataset: str) -> list[Path]:
    """Raises ValueError for a name that is on no menu."""
    if dataset not in DATASETS:
        raise ValueError(
            f"params.yaml: run: given data set {dataset!r}, accepted: {', '.join(DATASETS)}"
        )
    kind = DATASETS[dataset]
    return [plug_file(each) for each in (kind, *getattr(kind, "members", {}).values())]


def plug_file(plug: Any) -> Path:
    """Where a plug of a menu (a class, a module, or an object of one) is written."""
    kind = plug if inspect.isclass(plug) or inspect.ismodule(plug) else type(plug)
    return Path(inspect.getfile(kind)).resolve()


def decide(first: Iterable[Path], root: Path = REPOSITORY) -> list[Path]:
    """Files, and at any depth what they name, but for menus and for what only tells."""

    def followed(path: Path) -> list[Path]:
        files = named_files(path, root)
        return [file for file in files if not (is_menu(file, root) or tells(file, root))]

    return sorted(reached(first, followed))


def is_menu(path: Path, root: Path = REPOSITORY) -> bool:
    return path.relative_to(root).as_posix() in MENUS


def tells(path: Path, root: Path = REPOSITORY) -> str:
    """Why a file decides nothing; "" where it does."""
    place = path.relative_to(root)
    names = [place.as_posix(), *(parent.as_posix() for parent in place.parents)]
    return next((TELLS[name] for name in names if name in TELLS), "")


def _files(names: Iterable[str]) -> list[Path]:
    return [REPOSITORY / name for name in names]


def _digests(first: Iterable[Path]) -> dict[str, str]:
    return file_digests(decide(first), REPOSITORY)
