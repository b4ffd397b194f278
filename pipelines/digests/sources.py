"""Source files as what Python makes of them: digests that comments and docstrings do not change."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

VARIANTS = "VARIANTS"  # of a network: a recipe's own one is digested by its value


def digest(text: str, *, python: bool = True) -> str:
    """sha256 of what a file does; of a file that is no Python, of its text."""
    if not python:
        return hashlib.sha256(text.encode()).hexdigest()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body:
            if _is_text(body[0]):
                body[0] = ast.Pass()
            node.body = [each for each in body if not _is_menu_of_variants(each)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def file_digests(files: list[Path], root: Path) -> dict[str, str]:
    """{path below root: digest}, sorted."""
    return {
        str(file.relative_to(root)): digest(file.read_text(), python=file.suffix == ".py")
        for file in sorted(files)
    }


def _is_text(node: ast.stmt) -> bool:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _is_menu_of_variants(node: ast.stmt) -> bool:
    """`VARIANTS = {...}`: one more of them changes no network that is there already."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id == VARIANTS for target in targets)
