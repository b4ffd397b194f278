"""Rules on the tests themselves: where they lie, what they import, what they may not measure."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.tree import WINGS, heads, imported, parsed, place


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
