"""What a file imports of ours and what is reached that way: read from the text, nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

OURS = ("data", "models", "pipelines")


def our_modules(path: Path) -> list[str]:
    """Modules of ours in a file's `from MODULE import ...`, wherever in it they stand."""
    tree = ast.parse(path.read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [m for m in modules if m and m.split(".")[0] in OURS]


def reached(
    first: Iterable[Path],
    imported: Callable[[Path], Iterable[Path]],
    known: Collection[Path] = (),
) -> set[Path]:
    """Files and what they import, at any depth; what is `known` belongs to it, but is not read."""
    found, left = set(known), list(first)
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += imported(path)
    return found
