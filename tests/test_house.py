"""The house itself: arrows between files, plugs on their menus, names, no Python in mlflow/."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from data import CODECS, DATASETS, EVALUATORS
from models import ARCHITECTURES, LOSSES, REFINEMENTS
from tests.worlds.here import ROOT

STAGES = {"fetch", "prepare", "train", "evaluate", "compare", "promote"}
RAY = {"train", "submit", "cluster"}
MLFLOW = {"tracking", "registered_model"}  # the second travels with the registered model
EVALUATION_SHARED = {"errors", "matches", "nms", "oks_matching", "people", "referee"}
CODEC_SHARED = {  # what codecs are made of
    "limb_drawing", "limb_grouping", "limb_peaks",
    "tag_drawing", "tag_grouping", "tag_peaks", "tag_refinement", "tag_sampling",
}  # fmt: skip
MODELS_SHARED = {"__init__", "layers", "heads", "losses", "cost", "weights"}


def sources(*wings: str) -> list[Path]:
    return [
        path
        for wing in wings
        for path in sorted((ROOT / wing).rglob("*.py"))
        if "store" not in path.parts
    ]


def imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def heads(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def ours(path: Path) -> set[str]:
    known = {".".join(p.relative_to(ROOT).with_suffix("").parts) for p in all_sources()}
    return {name for name in imported(path) if name in known}


def all_sources() -> list[Path]:
    return sources("data", "models", "pipelines")


@pytest.mark.parametrize("path", sources("models"), ids=lambda p: p.name)
def test_models_know_torch_only(path: Path) -> None:
    assert not heads(path) & {"data", "pipelines", "ray", "mlflow", "yaml", "cv2", "albumentations"}


@pytest.mark.parametrize("path", sources("data"), ids=lambda p: p.name)
def test_data_knows_neither_models_nor_the_roof(path: Path) -> None:
    assert not heads(path) & {"models", "pipelines", "ray", "mlflow", "yaml"}


@pytest.mark.parametrize("path", sources("pipelines"), ids=lambda p: p.name)
def test_each_tool_has_its_files(path: Path) -> None:
    assert "ray" not in heads(path) or path.stem in RAY
    assert "mlflow" not in heads(path) or path.stem in MLFLOW
    assert not heads(path) & {"yaml", "ruamel"} or path.stem == "recipe"


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stages_meet_through_files_only(stage: str) -> None:
    others = {f"pipelines.{name}" for name in STAGES - {stage}}
    assert not imported(ROOT / "pipelines" / f"{stage}.py") & others


def test_data_arrows_point_down() -> None:
    for path in sources("data"):
        if path.parent.name == "codecs" and path.stem != "__init__":
            parts = {f"data.codecs.{name}" for name in CODEC_SHARED}
            assert ours(path) <= {"data.sample", "data.skeletons", "data.resize"} | parts, path
        if path.stem in ("sample", "skeletons"):
            assert not ours(path), path


def test_no_circle_of_imports() -> None:
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in all_sources()}
    arrows = {name: top_level(path) & set(names) for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, road: tuple[str, ...]) -> None:
        assert name not in road, " -> ".join((*road, name))
        if name not in done:
            for other in arrows[name]:
                visit(other, (*road, name))
            done.add(name)

    for name in names:
        visit(name, ())


def top_level(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_plug_is_on_its_menu() -> None:
    plugs = {
        "data.datasets": {getattr(m, "__name__", type(m).__module__) for m in DATASETS.values()},
        "data.codecs": {kind.__module__ for kind in CODECS.values()},
        "data.evaluators": {kind.__module__ for kind in EVALUATORS.values()},
    }
    for package, on_menu in plugs.items():
        folder = ROOT / package.replace(".", "/")
        files = {f"{package}.{p.stem}" for p in folder.glob("*.py") if p.stem != "__init__"}
        parts = {f"data.evaluators.{name}" for name in EVALUATION_SHARED}
        parts |= {f"data.codecs.{name}" for name in CODEC_SHARED}
        assert files - parts == on_menu
    papers = {p.stem for p in (ROOT / "models").glob("*.py")} - MODELS_SHARED
    networks = (ARCHITECTURES | REFINEMENTS).values()
    assert papers == {kind.__module__.split(".")[1] for kind in networks}
    assert all(kind.__module__ == "models.losses" for kind in LOSSES.values())


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


def test_names_say_what_they_are() -> None:
    forbidden = {"utils", "util", "common", "misc", "base", "helpers"}
    assert not [p for p in all_sources() if p.stem in forbidden]


def test_nothing_prepares_loaders_through_ray() -> None:
    for path in sources("pipelines"):
        assert "prepare_data_loader(" not in path.read_text()
