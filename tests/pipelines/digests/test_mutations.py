"""One thing changed in each file that decides: those digests change that it decides, no others."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from pipelines.digests.menus import MENUS
from pipelines.digests.sources import GROW
from tests.worlds.deciding import HERE, changed, deciding_code, plugs_of, recipes

PARTS = 12  # of all files that decide


@cache
def holders() -> dict[str, set[str]]:
    """Place of every file that decides anything -> whom it decides."""
    places: dict[str, set[str]] = {}
    for name, code in deciding_code().items():
        for place in code.files:
            places.setdefault(place, set()).add(name)
    return places


def otherwise(text: str, *, python: bool) -> str:
    """One number changed; where there is none, one comparison, operator or name."""
    if not python:
        changed_text, count = re.subn(r"\d\.\d+", "0.5", text, count=1)
        return changed_text if count else f"{text}more = 1\n"
    tree = ast.parse(text)
    for change in (_number, _operator, _name):
        for node in _deciding_nodes(tree):
            if change(node):
                return ast.unparse(tree)
    raise AssertionError("nothing in it to change")


def _deciding_nodes(tree: ast.Module) -> list[ast.AST]:
    """All but lists that grow."""
    statements = [
        each
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef)
        for each in node.body
        if not _grows(each) and not isinstance(each, ast.ClassDef)
    ]
    return [node for statement in statements for node in ast.walk(statement)]


def _grows(node: ast.stmt) -> bool:
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return any(isinstance(each, ast.Name) and each.id in GROW for each in targets)


def _number(node: ast.AST) -> bool:
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return False
    if node.value + 1 == node.value:  # type: ignore[operator]
        return False
    node.value += 1  # type: ignore[operator]
    return True


def _operator(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        node.ops[0] = ast.NotEq() if isinstance(node.ops[0], ast.Eq) else ast.Eq()
        return True
    if isinstance(node, ast.BinOp):
        node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return True
    return False


def _name(node: ast.AST) -> bool:
    if not isinstance(node, ast.Name):
        return False
    node.id = f"not_{node.id}"
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_file_changes_the_digests_of_those_whom_it_decides(part: int) -> None:
    places = sorted(holders())[part::PARTS]
    assert places
    for place in places:
        assert changed({place: mutant_of(place)}) == holders()[place], place


def mutant_of(place: str) -> str:
    text = HERE.whole(place)
    if place in MENUS:  # what stands on it, and nothing else but for feeds
        return f"{text}\nMORE = 1\n"
    return otherwise(text, python=place.endswith(".py"))


def test_recipes_of_every_kind_are_among_them() -> None:
    """What this file says it says of every plug that a recipe names."""
    from data.menus import CODECS, DATASETS, EVALUATORS
    from models.menus import ARCHITECTURES

    kinds = {plug for recipe in recipes().values() for plug in plugs_of(recipe)}
    for kind, menu in {
        "codec": CODECS, "evaluator": EVALUATORS, "architecture": ARCHITECTURES, "dataset": DATASETS
    }.items():  # fmt: skip
        unused = {"hrnet_bottom_up"} if kind == "architecture" else set()
        assert {name for each, name in kinds if each == kind} >= set(menu) - unused


@pytest.mark.parametrize(
    ("place", "stages"),
    [
        ("pipelines/recipe/build.py", {"train", "evaluate", "promote"}),  # network and losses
        ("models/weights.py", {"train", "evaluate", "promote"}),  # what of a file is loaded
        ("pipelines/training/rank.py", {"train"}),
        ("pipelines/training/optimizer.py", {"train"}),
        ("pipelines/training/checkpoint.py", {"train"}),  # which epoch is the best
        ("pipelines/prediction/boxes.py", {"train", "evaluate"}),  # validation picks by them
        ("pipelines/prediction/nms.py", {"train", "evaluate"}),
        ("pipelines/prediction/pixels.py", {"train", "evaluate", "promote"}),
        ("pipelines/evaluation/measure.py", {"evaluate"}),
        ("pipelines/intake/tables.py", {"prepare"}),
        ("pipelines/intake/splits.py", {"prepare"}),
        ("pipelines/intake/download.py", {"fetch"}),
        ("pipelines/detection/finding.py", {"detect"}),
        ("pipelines/detection/person_score.py", {"detect"}),
        ("pipelines/detection/detected.py", {"detect", "evaluate"}),  # read back
        ("pipelines/registry/gate.py", {"promote"}),
        ("pipelines/registry/decide.py", {"promote"}),
        ("pipelines/evaluation/bootstrap.py", {"promote", "compare"}),
        ("pipelines/serving/graph.py", {"promote"}),
        ("pipelines/serving/model_files.py", {"promote"}),
        ("pipelines/serving/pose_model.py", {"promote", "compare"}),
        ("data/views/geometry.py", {"train", "evaluate", "promote"}),  # travels with a model
        ("pipelines/report/comparison.py", {"compare"}),
    ],
)
def test_the_stages_that_a_file_decides(place: str, stages: set[str]) -> None:
    """At least them; nothing else but reports and promotions, which cost little."""
    decided = {name.partition("@")[0] for name in holders()[place]}
    assert stages <= decided <= stages | {"compare", "promote"}


@pytest.mark.parametrize(
    "place",
    [
        "pipelines/pictures/people.py", "pipelines/pictures/fields.py",
        "pipelines/evaluation/pictures.py", "pipelines/training/pictures.py",
        "pipelines/intake/preview.py", "pipelines/host/progress.py",
        "pipelines/train.py", "pipelines/evaluate.py", "pipelines/analyse.py",
        "pipelines/training/attempt.py", "pipelines/cluster/ray_train.py",
        "pipelines/training/loaders.py", "pipelines/training/sample_cost.py",
        "pipelines/report/errors_page.py", "pipelines/digests/deciding.py", "models/cost.py",
    ],
)  # fmt: skip
def test_what_only_tells_trains_nothing_anew(place: str) -> None:
    text = f"{HERE.whole(place)}\nCHANGED = 1\n"
    assert not {name for name in changed({place: text}) if name.startswith("train@")}
