"""Menus as text: what of a menu's file everybody sees, and what one name on it stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from data.ground.refusal import refusal
from pipelines.host.imports import imported_files

MENUS = {  # file -> its menus; a line on one of them decides for those alone who name it
    "data/menus.py": ("CODECS", "EVALUATORS"),
    "data/datasets/menu.py": ("DATASETS",),
    "data/datasets/formats/menu.py": ("READERS", "WRITERS"),
    "data/evaluators/__init__.py": ("MATCHES",),
    "models/menus.py": ("ARCHITECTURES", "REFINEMENTS", "LOSSES"),
    "pipelines/prediction/feeds.py": ("FEEDS",),
}


class Line(NamedTuple):
    """One line of a menu: what it says, imports included, and the places of what it names."""

    text: str
    files: tuple[str, ...]


@cache
def without_menus(text: str, menus: tuple[str, ...]) -> str:
    """The file without those menus, and without what it imports for them alone."""
    tree = ast.parse(text)
    own = [node for node in tree.body if _assigned(node) in menus]
    rest = [node for node in tree.body if node not in own]
    spare = _names(own) - _names(node for node in rest if not _is_import(node))
    for node in rest:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [alias for alias in node.names if _bound(alias) not in spare]
    tree.body = [node for node in rest if getattr(node, "names", True)]
    return ast.unparse(tree)


@cache
def menu_line(text: str, menu: str, name: object, root: Path) -> Line:
    """`name` on a menu of a file with that text; ValueError where it is not on it."""
    tree = ast.parse(text)
    dicts = [node.value for node in tree.body if _assigned(node) == menu]  # type: ignore[attr-defined]
    assert len(dicts) == 1 and isinstance(dicts[0], ast.Dict), f"{menu} is no plain dict"
    lines = {_key(k): v for k, v in zip(dicts[0].keys, dicts[0].values, strict=True)}
    if name not in lines:
        raise refusal(menu, given=name, accepted=", ".join(map(str, lines)))
    said, files = [ast.dump(lines[name])], []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if _bound(alias) in _names([lines[name]]):
                    named = imported_files(node, alias, root)
                    files += [file.relative_to(root).as_posix() for file in named]
                    said.append(f"{getattr(node, 'module', '')} {ast.dump(alias)}")
    return Line("\n".join(said), tuple(files))


def _assigned(node: ast.stmt) -> str:
    """The name that a statement assigns to; "" where it assigns none, or several."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _bound(alias: ast.alias) -> str:
    return (alias.asname or alias.name).split(".")[0]


def _key(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
