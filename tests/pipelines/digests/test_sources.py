"""A digest is of what a file does: told otherwise it stays, done otherwise it changes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pipelines.digests.deciding import TELLS, tells
from pipelines.digests.menus import MENUS
from pipelines.digests.sources import GROW, Sources, digest
from tests.worlds.deciding import HERE, deciding_code
from tests.worlds.here import ROOT

DOOR = "pipelines/prediction/__init__.py"  # leads to `Predictor`, which no file of ours asks for
PLAIN = "def one(a):\n    return a\n\n\nclass Two:\n    N = 1\n"


@pytest.mark.parametrize(
    "text",
    [
        f'"""Says what is in here."""\n\n{PLAIN}',
        PLAIN.replace("    return", '    """Says."""\n    return'),
        PLAIN.replace("    N = 1", '    """Says."""\n\n    N = 1  # one'),
        PLAIN.replace("    N = 1", '    N = 1\n    """says what N is"""'),
        PLAIN.replace("\n\n\n", "\n\n"),
        PLAIN.replace("    N = 1", '    N = 1\n    VARIANTS = {"w32": {"width": 32}}'),
        PLAIN.replace("    N = 1", '    N = 1\n    VARIANTS: ClassVar = {"w32": {}}'),
        PLAIN.replace("    N = 1", '    EVALUATORS: ClassVar = ("oks",)\n    N = 1'),
        f'{PLAIN}\nVARIANTS = {{"w32": {{"width": 32}}}}\n',
    ],
)
def test_what_is_only_told_changes_no_digest(text: str) -> None:
    assert digest(text) == digest(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("N = 1", "N = 2"),
        PLAIN.replace("return a", "return -a"),
        PLAIN.replace("(a)", "(a, b=1)"),
        PLAIN.replace("    return a", "    EVALUATORS = 1\n    return a"),  # no list of a class
        PLAIN.replace("N = 1", 'N = "1"'),
        f"from data.ground import sample\n{PLAIN}",
    ],
)
def test_what_is_done_changes_the_digest(text: str) -> None:
    assert digest(text) != digest(PLAIN)


def test_of_yaml_values_count_and_of_other_files_every_letter() -> None:
    texts = ("a: 1", "a: 1  # one", "a: 2")
    assert len({digest(text, ".yaml") for text in texts}) == 2
    assert len({digest(text, ".csv") for text in texts}) == 3


def test_a_function_of_a_docstring_alone_is_one_that_passes() -> None:
    assert digest('def f():\n    """Says."""\n') == digest("def f():\n    pass\n")


def test_texts_stand_for_files() -> None:
    here = Sources()
    other = here.having({"models/layers.py": "from models.cost import count\n"})
    assert other.named("models/layers.py") == ("models/cost.py",)
    assert other.digest("models/layers.py") != here.digest("models/layers.py")
    assert other.digest("models/hrnet.py") == here.digest("models/hrnet.py")


def readers(name: str) -> set[str]:
    """Files that decide anything and read an attribute of that name."""
    places = {place for code in deciding_code().values() for place in code.files}
    return {
        place
        for place in places
        if place.endswith(".py") and name in HERE.whole(place)
        for node in ast.walk(ast.parse(HERE.whole(place)))
        if isinstance(node, ast.Attribute) and node.attr == name
    }


def test_lists_that_grow_are_read_by_name_or_not_at_all() -> None:
    """Else what is left out of a digest would decide."""
    assert set(GROW) == {"VARIANTS", "EVALUATORS", "PUBLISHED"}
    assert readers("VARIANTS") == {"pipelines/recipe/build.py"}  # .VARIANTS[name], as digested
    like_others = {"data/datasets/mixture.py", "data/datasets/stick_figures.py"}
    assert readers("EVALUATORS") == like_others, "only a recipe's refusal reads them"
    assert readers("PUBLISHED") == {"pipelines/report/results.py"}


def test_packages_hold_menus_or_nothing() -> None:
    """Importing from a package runs its `__init__`, which no import of a file below names."""
    for wing in ("data", "models", "pipelines"):
        for path in (ROOT / wing).rglob("__init__.py"):
            place = path.relative_to(ROOT).as_posix()
            if place not in {*MENUS, DOOR} and not place.startswith("data/store"):
                assert digest(path.read_text()) == digest(""), place


def test_the_door_of_prediction_runs_nothing_when_it_is_passed() -> None:
    """`from pipelines.prediction import Predictor` works; a file below it is imported without."""
    statements = ast.parse((ROOT / DOOR).read_text()).body
    allowed = (ast.ImportFrom, ast.If, ast.FunctionDef, ast.Assign, ast.Expr)
    assert all(isinstance(each, allowed) for each in statements)
    imported = [each.module for each in statements if isinstance(each, ast.ImportFrom)]
    assert imported == ["__future__", "typing"]
    (guarded,) = (each for each in statements if isinstance(each, ast.If))
    assert ast.unparse(guarded.test) == "TYPE_CHECKING"


def test_reasons_are_given() -> None:
    assert all(TELLS.values()) and all(GROW.values())
    assert tells("pipelines/pictures/people.py") == TELLS["pipelines/pictures"]
    assert not tells("pipelines/pictures.py") and not tells("data/ground/sample.py")


def test_a_root_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.py").write_text("from data.b import c\n")
    (tmp_path / "data" / "b.py").write_text("c = 1\n")
    assert Sources(tmp_path).named("data/a.py") == ("data/b.py",)
