"""What a file names of ours, and what is reached that way: read from the text, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

OURS = ("data", "models", "pipelines")
SKELETONS = "data/skeletons"  # `load_skeleton("coco")` reads coco.toml there


def named_files(path: Path, root: Path, text: str | None = None) -> list[Path]:
    """Files below `root` that a file of ours imports, wherever in it, or loads as a skeleton.

    text: what the file holds, where that is not what lies on disk. A package is its `__init__.py`.
    """
    if path.suffix != ".py":
        return []
    found: list[Path] = []
    for node in ast.walk(ast.parse(path.read_text() if text is None else text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            module = str(node.module)
            for alias in node.names:
                file = module_file(f"{module}.{alias.name}", root) or module_file(module, root)
                found += [file] if file else []
        elif isinstance(node, ast.Call) and _is_skeleton(node):
            found.append(root / SKELETONS / f"{ast.literal_eval(node.args[0])}.toml")
    return list(dict.fromkeys(found))


def module_file(module: str, root: Path) -> Path | None:
    """The file of a module or package below `root`; None where it is a name inside one."""
    place = root.joinpath(*module.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _is_skeleton(node: ast.Call) -> bool:
    named = isinstance(node.func, ast.Name) and node.func.id == "load_skeleton"
    return named and len(node.args) == 1 and isinstance(node.args[0], ast.Constant)


def reached(first: Iterable[Path], named: Callable[[Path], Iterable[Path]]) -> set[Path]:
    """Files, and at any depth those that they name."""
    found: set[Path] = set()
    left = list(first)
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += named(path)
    return found
