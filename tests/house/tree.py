"""A checkout's Python files, what they import at any depth, and the rooms they lie in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

WINGS = ("data", "models", "pipelines")


def sources(root: Path, *wings: str) -> list[Path]:
    """Files of the wings (all three without any), but for data/store."""
    return [
        path
        for wing in wings or WINGS
        for path in sorted((root / wing).rglob("*.py"))
        if path.relative_to(root).parts[:2] != ("data", "store")
    ]


def place(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def module_name(path: Path, root: Path) -> str:
    """`data.ground.sample` of a file; a package is its `__init__.py`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path, *wings: str) -> dict[str, Path]:
    return {module_name(path, root): path for path in sources(root, *wings)}


def parsed(path: Path) -> ast.Module:
    return _parsed(path, path.read_text())


@cache
def _parsed(path: Path, text: str) -> ast.Module:
    return ast.parse(text, str(path))


def imported(path: Path, root: Path) -> set[str]:
    """Full names of all that a file imports: in functions and for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = origin(node, path, root)
            names |= {source} | {f"{source}.{alias.name}" for alias in node.names}
    return names


def origin(node: ast.ImportFrom, path: Path, root: Path) -> str:
    """What stands after `from`, with the dots of a relative import resolved."""
    package = path.relative_to(root).parts[: -node.level] if node.level else ()
    return ".".join([*package, *([node.module] if node.module else [])])


def heads(path: Path, root: Path) -> set[str]:
    """The packages that a file imports from, ours and others'."""
    return {name.split(".")[0] for name in imported(path, root)}


def arrows(root: Path) -> dict[str, set[str]]:
    """{module: the modules of ours that it imports}; a name inside a module is that module."""
    known = modules(root)
    return {name: set(_targets(path, root, set(known)) - {name}) for name, path in known.items()}


def _targets(path: Path, root: Path, known: set[str]) -> set[str]:
    targets = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names} & known
        elif isinstance(node, ast.ImportFrom):
            source = origin(node, path, root)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                targets |= {full if full in known else source} & known
    return targets


def rooms(root: Path) -> list[str]:
    """Names of the folders of pipelines/ that hold Python."""
    return sorted({p.parent.name for p in (root / "pipelines").glob("*/*.py")})


def room_of(module: str, root: Path) -> str:
    """Name of a module's room of pipelines/; "" of what is a command or lies elsewhere."""
    parts = module.split(".")
    inside = parts[0] == "pipelines" and len(parts) > 1 and _is_room(parts[1], root)
    return parts[1] if inside and parts[-1] != "__main__" else ""


def _is_room(name: str, root: Path) -> bool:
    return any((root / "pipelines" / name).glob("*.py"))


def is_command(module: str, root: Path) -> bool:
    """A file at the root of pipelines/, or what runs a folder (`__main__`)."""
    parts = module.split(".")
    if parts[0] != "pipelines" or len(parts) == 1:
        return False
    return parts[-1] == "__main__" or (len(parts) == 2 and not _is_room(parts[1], root))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
