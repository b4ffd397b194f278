"""The files of models/ that a recipe's network is built from: what a change re-trains."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from models import ARCHITECTURES, REFINEMENTS
from pipelines.places import REPOSITORY

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

SHARED = (
    "layers",
    "heads",
    "losses",
    "cost",
    "weights",
)  # no paper's own; losses.py is in dvc.yaml
SLOTS = 4  # dvc.yaml names this many: DVC takes no lists of varying length


def network_files(recipe: Recipe) -> list[str]:
    """Names without .py: the architecture, the papers that it extends, the plug-in around it."""
    kinds = [ARCHITECTURES[recipe.architecture.name]]
    if recipe.refine is not None:
        kinds.append(REFINEMENTS[recipe.refine.name])
    found: list[str] = []
    for kind in kinds:
        found += [
            name for name in _with_parents(kind.__module__.split(".")[1]) if name not in found
        ]
    return found


def padded(recipe: Recipe) -> list[str]:
    """`network_files` with the last one repeated up to SLOTS."""
    files = network_files(recipe)
    assert len(files) <= SLOTS, f"{files}: more than dvc.yaml's train stage names"
    return files + files[-1:] * (SLOTS - len(files))


@cache
def _with_parents(name: str) -> list[str]:
    """`ca_hrnet` -> [ca_hrnet, hrnet]: itself and what it imports of other papers, at any depth."""
    found = [name]
    for parent in _imported(REPOSITORY / "models" / f"{name}.py"):
        if parent not in SHARED:
            found += [each for each in _with_parents(parent) if each not in found]
    return found


def _imported(path: Path) -> list[str]:
    """Names of the files of models/ that one of them imports."""
    modules = [
        node.module or ""
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    ]
    return sorted({module.split(".")[1] for module in modules if module.startswith("models.")})
