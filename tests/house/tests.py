"""Rules on tests and benchmarks: where they lie, what they import, what they may not measure."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.tree import WINGS, heads, imported, origin, parsed, place

BESIDE = ("tests", "benchmarks")  # what mypy does not read


def tests_that_import_tests(root: Path) -> list[str]:
    """Test files that import a test file: what is shared lies in tests/worlds or conftest.py."""
    return [
        f"{place(path, root)} imports {name}"
        for path in sorted((root / "tests").rglob("*.py"))
        for name in sorted(imported(path, root))
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    ]


def tests_out_of_place(root: Path) -> list[str]:
    """Folders of tests that mirror no folder; tests of a wing that reach for another, or a roof."""
    broken = []
    for wing in WINGS:
        for path in sorted((root / "tests" / wing).rglob("test_*.py")):
            mirrored = path.parent.relative_to(root / "tests")
            if not (root / mirrored).is_dir():
                broken.append(f"{place(path, root)}: there is no {mirrored.as_posix()}")
            if wing != "pipelines":
                strangers = heads(path, root) & set(WINGS) - {wing}
                broken += [f"{place(path, root)} imports {name}" for name in sorted(strangers)]
    return broken


def clocks_in_tests(root: Path) -> list[str]:
    """Assertions that measure time."""
    return [
        f"{place(path, root)}:{node.lineno}: an assertion reads a clock"
        for path in sorted((root / "tests").rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assert)
        if any(
            word in ast.unparse(node) for word in ("time.monotonic", "time.time", "perf_counter")
        )
    ]


def paths_patched_in(root: Path) -> list[str]:
    """Tests that write to sys.path; written in two parts here, so that this file is none."""
    word = "sys.path" + ".insert"
    files = sorted((root / "tests").rglob("*.py"))
    return [f"{place(path, root)}: {word}" for path in files if word in path.read_text()]


def names_that_are_gone(root: Path) -> list[str]:
    """Names that a test or a benchmark imports of ours and that are not there (any more)."""
    return [
        f"{place(path, root)}:{node.lineno}: no {name} in {origin(node, path, root)}"
        for folder in BESIDE
        for path in sorted((root / folder).rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom)
        for name in _gone(node, path, root)
    ]


def _gone(node: ast.ImportFrom, path: Path, root: Path) -> list[str]:
    parts = origin(node, path, root).split(".")
    if parts[0] not in (*WINGS, *BESIDE):
        return []
    folder = root.joinpath(*parts)
    inside = {each.stem for each in folder.glob("*") if each.is_dir() or each.suffix == ".py"}
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    bound = _bound(parsed(file).body) if file.is_file() else set()
    return [alias.name for alias in node.names if alias.name not in inside | bound]


def _bound(body: list[ast.stmt]) -> set[str]:
    """Names that statements at a module's left margin, or inside an `if` or `try` there, bind."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            names |= _bound(
                [each for each in ast.walk(node) if each is not node and isinstance(each, ast.stmt)]
            )
        else:
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            names |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
    return names
