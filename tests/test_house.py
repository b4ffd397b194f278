"""The house itself holds its rules (tests/house): floors, walls, menus, the page.

`tests/test_house_rules.py` breaks each rule on purpose.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.menus import CODECS, DATASETS, EVALUATORS
from models.menus import ARCHITECTURES, LOSSES, REFINEMENTS
from tests.house import arrows, pages, plugs
from tests.house.rules import RULES
from tests.worlds.here import ROOT


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(rule: Callable[[Path], list[str]]) -> None:
    broken = rule(ROOT)
    assert not broken, "\n".join([str(rule.__doc__), *broken])


def test_no_exception_outlives_its_file() -> None:
    for exceptions in (plugs.GROUND, pages.DEFAULTS, pages.GUARDED, pages.LONG):
        places = [name.partition(":")[0] for name in exceptions]
        assert [name for name in places if not (ROOT / name).is_file()] == []
    assert [name for name in arrows.FLOORS if not (ROOT / "pipelines" / name).is_dir()] == []


def test_menus_hold_what_is_written_in_their_folder() -> None:
    folders = {"data.datasets": DATASETS, "data.codecs": CODECS, "data.evaluators": EVALUATORS,
               "models": ARCHITECTURES | REFINEMENTS, "models.losses": LOSSES}  # fmt: skip
    for folder, menu in folders.items():
        for name, plug in menu.items():
            module = getattr(plug, "__module__", None) or getattr(plug, "__name__", "")
            assert module.rpartition(".")[0] == folder, name


@pytest.mark.contract
def test_no_python_in_mlflow_and_the_package_is_the_installed_one() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))
    code = "import mlflow; assert callable(mlflow.start_run); print(mlflow.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(ROOT / "mlflow") not in done.stdout


def test_packages_are_not_ignored() -> None:
    names = (".gitignore", ".rayignore")
    lines = [line.strip() for name in names for line in (ROOT / name).read_text().splitlines()]
    assert not {"data", "data/", "models", "models/", "/data/", "/models/"} & set(lines)
