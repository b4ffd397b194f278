"""What a file names of ours, and what is reached that way: read from the text, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

OURS = ("data", "models", "pipelines")
SKELETONS = "data/skeletons"  # `load_skeleton("coco")` reads coco.yaml there
T = TypeVar("T", bound=Hashable)


def named_files(path: Path, root: Path, text: str | None = None) -> list[Path]:
    """Files below `root` that a file of ours imports, wherever in it, loads as a skeleton, or says
    the place of (`ROOT / "data" / "x.py"`).

    text: what the file holds, where that is not what lies on disk. A package is its `__init__.py`.
    """
    if path.suffix != ".py":
        return []
    files: list[Path] = []
    for node in ast.walk(ast.parse(path.read_text() if text is None else text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            files += [file for alias in node.names for file in imported_files(node, alias, root)]
        elif isinstance(node, ast.Call) and _is_skeleton(node):
            files.append(root / SKELETONS / f"{ast.literal_eval(node.args[0])}.yaml")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            place = Path(*_steps(node))
            ours = bool(place.parts) and place.parts[0] in OURS
            files += [root / place] if ours and (root / place).is_file() else []
    return list(dict.fromkeys(files))


def imported_files(
    node: ast.Import | ast.ImportFrom, alias: ast.alias, root: Path
) -> Iterator[Path]:
    """The file of ours that one name of an import comes from; none where it is somebody else's."""
    module = alias.name if isinstance(node, ast.Import) else node.module or ""
    assert isinstance(node, ast.Import) or not node.level, f"a relative import of {module}"
    if module.split(".")[0] in OURS:
        file = None
        if isinstance(node, ast.ImportFrom):
            file = module_file(f"{module}.{alias.name}", root)
        if file := file or module_file(module, root):
            yield file


def module_file(module: str, root: Path) -> Path | None:
    """The file of a module or package below `root`; None where it is a name inside one."""
    place = root.joinpath(*module.split("."))
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _is_skeleton(node: ast.Call) -> bool:
    named = isinstance(node.func, ast.Name) and node.func.id == "load_skeleton"
    return named and len(node.args) == 1 and isinstance(node.args[0], ast.Constant)


def _steps(node: ast.expr) -> list[str]:
    """Of `ROOT / "data" / "x.py"` the texts; none where anything else is among them."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.right, ast.Constant):
        return []
    step, before = node.right.value, _steps(node.left)
    whole = isinstance(node.left, ast.Name | ast.Attribute) or bool(before)
    return [*before, step] if isinstance(step, str) and whole else []


def reached(first: Iterable[T], named: Callable[[T], Iterable[T]]) -> set[T]:
    """Files, and at any depth those that they name."""
    known: set[T] = set()
    left = list(first)
    while left:
        path = left.pop()
        if path not in known:
            known.add(path)
            left += named(path)
    return known
