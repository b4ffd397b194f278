"""Source files as what Python makes of them: digests that comments and docstrings do not change.

Files are called by their place below the root (`data/datasets/coco.py`).
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from data.ground.yaml_text import plain_yaml
from pipelines.digests.menus import MENUS, Line, menu_line, without_menus
from pipelines.host.imports import named_files
from pipelines.host.places import REPOSITORY

GROW = {  # lists of a class that grow without changing what was there -> why they do not count
    "VARIANTS": "of a network: a recipe's own one is digested by its value",
    "EVALUATORS": "of a data set: which recipes are refused, no number of theirs",
    "PUBLISHED": "of a data set: what reports say, digested for them by its value",
}


class Sources:
    """Files below `root`, each read once; `texts`: what some of them hold instead, by place."""

    def __init__(self, root: Path = REPOSITORY, texts: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._texts = dict(texts or {})

    def having(self, texts: Mapping[str, str]) -> Sources:
        """The same files, but for what those hold."""
        return Sources(self.root, {**self._texts, **texts})

    def whole(self, place: str) -> str:
        if place not in self._texts:
            self._texts[place] = (self.root / place).read_text()
        return self._texts[place]

    def text(self, place: str) -> str:
        """Of a file, without the menus in it."""
        menus, whole = MENUS.get(place), self.whole(place)
        return without_menus(whole, menus) if menus else whole

    def named(self, place: str) -> tuple[str, ...]:
        """What a file names of ours, but for the lines of its menus."""
        return _named(place, self.root, self.text(place))

    def line(self, menu: str, name: object) -> Line:
        """What stands on a menu under a name."""
        place = next(place for place, menus in MENUS.items() if menu in menus)
        return menu_line(self.whole(place), menu, name, self.root)

    def digest(self, place: str) -> str:
        return digest(self.text(place), Path(place).suffix)


@cache
def _named(place: str, root: Path, text: str) -> tuple[str, ...]:
    files = named_files(root / place, root, text)
    return tuple(file.relative_to(root).as_posix() for file in files)


@cache
def digest(text: str, suffix: str = ".py") -> str:
    """sha256 of what a file does; of yaml its values, of another file its text."""
    if suffix == ".yaml":
        text = json.dumps(plain_yaml(text), sort_keys=True, default=str)
    if suffix != ".py":
        return hashlib.sha256(text.encode()).hexdigest()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [each for each in body if not _is_text(each)]
            if isinstance(node, ast.Module | ast.ClassDef):
                kept = [each for each in kept if not _grows(each)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.stmt) -> bool:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _grows(node: ast.stmt) -> bool:
    """`VARIANTS = {...}`: one more of them changes no network that is there already."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id in GROW for target in targets)
