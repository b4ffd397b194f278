"""What a file names of ours is read from its text: imports anywhere, skeletons, places."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.host.imports import named_files, reached

FILES = (
    "data/__init__.py", "data/one.py", "data/room/__init__.py", "data/room/two.py",
    "models/net.py", "pipelines/served.py", "data/skeletons/coco.yaml",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def named(tree: Path, text: str) -> list[str]:
    files = named_files(tree / "pipelines/x.py", tree, text)
    return [str(file.relative_to(tree)) for file in files]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("from data.one import a, b", ["data/one.py"]),
        ("from data import one as other", ["data/one.py"]),
        ("from data import MENU", ["data/__init__.py"]),
        ("from data.room import two, NAME", ["data/room/two.py", "data/room/__init__.py"]),
        ("import data.room.two", ["data/room/two.py"]),
        ("import models.net as net", ["models/net.py"]),
        ("def f():\n    from models.net import Net\n", ["models/net.py"]),
        ("if TYPE_CHECKING:\n    from models.net import Net\n", ["models/net.py"]),
        ("import numpy\nfrom torch import nn\nfrom database import one", []),
        ('SKELETON = load_skeleton("coco")', ["data/skeletons/coco.yaml"]),
        ("skeleton = load_skeleton(name)", []),
        ('FILE = ROOT / "pipelines" / "served.py"', ["pipelines/served.py"]),
        ('FILE = places.ROOT / "pipelines/served.py"', ["pipelines/served.py"]),
        ('FILE = ROOT / "pipelines" / "absent.py"', []),
        ('FILE = ROOT / "pipelines" / name / "served.py"', []),
        ('half = 1 / 2\nFOLDER = ROOT / "pipelines"', []),
    ],
)
def test_what_a_text_names(tree: Path, text: str, files: list[str]) -> None:
    assert named(tree, text) == files


def test_an_import_by_dots_is_refused(tree: Path) -> None:
    with pytest.raises(AssertionError, match="relative import"):
        named(tree, "from .one import a")


def test_what_is_no_python_names_nothing(tree: Path) -> None:
    assert named_files(tree / "data/skeletons/coco.yaml", tree) == []


def test_circles_end() -> None:
    arrows = {"a": ["b"], "b": ["c", "a"], "c": [], "d": ["a"]}
    assert reached(["a"], arrows.__getitem__) == {"a", "b", "c"}
