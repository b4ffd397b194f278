"""Which code decides a result: digests per recipe and data set, so that DVC re-runs no more.

python -m pipelines.code     data/store/code/RECIPE/{train,evaluate}.json, datasets/NAME.json

A digest is of what Python reads: comments and docstrings change none.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from data import CODECS, DATASETS, EVALUATORS
from models import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines import places
from pipelines.folders import whole_folder
from pipelines.imports import our_modules, reached
from pipelines.places import REPOSITORY
from pipelines.recipe import Recipe, load_params, load_recipe

LOOP = ("worker", "step", "parts", "samples", "optimizer", "validation", "predictor", "scoring")
PREPARING = ("prepare", "splits", "tables", "image_check")
SCORING = ("evaluate", "scoring", "trained", "detections", "predictor")
WHOLE = ("whole_images",)  # besides, where whole images are fed
WHOLE_FEED = ("data/whole_image.py", "data/person_views.py", "data/resized_images.py")
MENUS = ("data/__init__.py", "models/__init__.py")  # a new line on a menu changes no result


def main(_: Sequence[str]) -> int:
    try:
        run = load_params()["run"]
        write_code(list(run["recipes"]), [*run["datasets"], *run.get("mixtures", {})])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write_code(recipes: Sequence[str], datasets: Sequence[str]) -> None:
    with whole_folder(places.home() / "data" / "store" / "code") as part:
        (part / "datasets").mkdir()
        for name in datasets:
            write_digests(part / "datasets" / f"{name}.json", prepares(name))
        for name in recipes:
            recipe = load_recipe(name)
            (part / name).mkdir()
            write_digests(part / name / "train.json", trains(recipe))
            write_digests(part / name / "evaluate.json", scores(recipe))


def write_digests(path: Path, files: Sequence[Path]) -> None:
    digests = {str(file.relative_to(REPOSITORY)): digest(file) for file in files}
    path.write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")


def prepares(dataset: str) -> list[Path]:
    """Files that decide the tables of a data set; of a mixture those of its members too."""
    if dataset not in DATASETS:
        raise ValueError(
            f"params.yaml: run: given data set {dataset!r}, accepted: {', '.join(DATASETS)}"
        )
    kind = DATASETS[dataset]
    kinds = [kind, *getattr(kind, "members", {}).values()]
    modules = [k if inspect.ismodule(k) else type(k) for k in kinds]
    files = [Path(inspect.getfile(module)).resolve() for module in modules]
    return closure([*files, REPOSITORY / "data" / "table.py"], PREPARING)


def trains(recipe: Recipe) -> list[Path]:
    """Files that decide what a training of the recipe ends with."""
    plugs = [ARCHITECTURES[recipe.architecture.name], CODECS[recipe.codec.name]]
    plugs += [LOSSES[loss.name] for loss in recipe.losses.values()]
    plugs += [REFINEMENTS[recipe.refine.name]] if recipe.refine else []
    feeds, whole = feeding(recipe, "data/loader.py")
    return closure([*plugs_files(plugs), *feeds], [*LOOP, *whole])


def scores(recipe: Recipe) -> list[Path]:
    """Files that decide how a trained network of the recipe scores."""
    plugs = [ARCHITECTURES[recipe.architecture.name], CODECS[recipe.codec.name]]
    feeds, whole = feeding(recipe)
    evaluator = EVALUATORS[recipe.evaluation.evaluator]
    return closure([*plugs_files([*plugs, evaluator]), *feeds], [*SCORING, *whole])


def feeding(recipe: Recipe, *always: str) -> tuple[list[Path], Sequence[str]]:
    """(files of the data wing that make the network's input, the roof's own beside them)."""
    whole = CODECS[recipe.codec.name].whole_image  # type: ignore[attr-defined]
    files = [*always, *(WHOLE_FEED if whole else ())]
    return [REPOSITORY / path for path in files], WHOLE if whole else ()


def plugs_files(plugs: Iterable[type]) -> list[Path]:
    return [Path(inspect.getfile(plug)).resolve() for plug in plugs]


def closure(first: Sequence[Path], roof: Sequence[str]) -> list[Path]:
    """Files with all that they import of the wings, at any depth, and some of the roof's own."""
    known = {REPOSITORY / "pipelines" / f"{name}.py" for name in roof}
    menus = {REPOSITORY / menu for menu in MENUS}
    return sorted(reached(first, imported, known) - menus)


def imported(path: Path) -> list[Path]:
    """Files of ours that one of them imports."""
    modules = our_modules(path)
    files = (REPOSITORY.joinpath(*module.split(".")).with_suffix(".py") for module in modules)
    return [file for file in files if file.is_file()]


def digest(path: Path) -> str:
    """sha256 of what the file does: without comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.stmt) -> bool:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
