"""Every file that deciding code reaches decides, or only tells, or is reached by menus alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import pytest

from pipelines.digests.deciding import FETCHING, MEASURING, PREPARING, TELLS, TRAINING, tells
from pipelines.digests.menus import MENUS
from pipelines.digests.sources import Sources
from pipelines.host.imports import named_files, reached
from tests.worlds.deciding import HERE
from tests.worlds.here import ROOT

ROOTS = (*TRAINING, *MEASURING, *PREPARING, *FETCHING)


def uncut(place: str) -> list[str]:
    """What a file names, menus and all."""
    files = named_files(ROOT / place, ROOT, HERE.whole(place))
    return [file.relative_to(ROOT).as_posix() for file in files]


def plugs() -> set[str]:
    """The files of all lines of all menus that recipes name."""
    files: set[str] = set()
    for place, menus in MENUS.items():
        for node in ast.parse(HERE.whole(place)).body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
                menu = ast.unparse(node.target)
                assert menu in menus, f"{place}: {menu} is on no list of menus"
                names = [ast.literal_eval(key) for key in node.value.keys if key]
                files |= {file for name in names for file in HERE.line(menu, name).files}
    return files


def deciding(roots: Iterable[str], sources: Sources = HERE) -> set[str]:
    return reached(roots, lambda place: [p for p in sources.named(place) if not tells(p)])


@pytest.fixture(scope="module")
def everything() -> set[str]:
    """All that is reached where nothing is cut."""
    return reached(ROOTS, uncut)


@pytest.fixture(scope="module")
def decide() -> set[str]:
    return deciding([*ROOTS, *plugs()])


def test_every_file_that_is_reached_is_on_one_side(everything: set[str], decide: set[str]) -> None:
    told = reached([place for place in everything if tells(place)], uncut) - decide
    menus = {named for place in MENUS for named in uncut(place)} - decide - told
    assert everything == decide | told | menus
    assert not {place for place in decide if tells(place)}, "roots and plugs are never cut"
    assert menus <= {"data/ground/data_set.py", "data/ground/evaluator.py"}, "types of menus alone"


def test_both_sides_hold_what_they_should(everything: set[str], decide: set[str]) -> None:
    assert {"pipelines/pictures/people.py", "pipelines/recipe/check.py"} <= everything - decide
    assert {"pipelines/training/step.py", "models/hrnet.py", "data/views/geometry.py"} <= decide


@pytest.mark.parametrize("place", TELLS)
def test_nothing_on_the_list_of_tellers_is_stale(place: str, everything: set[str]) -> None:
    below = f"{place}/" if (ROOT / place).is_dir() else place
    assert [each for each in everything if each.startswith(below)], f"nobody imports {place}"
    assert (ROOT / place).exists()


@pytest.mark.parametrize("place", MENUS)
def test_no_menu_is_stale(place: str, everything: set[str]) -> None:
    assert place in everything or place == "data/evaluators/__init__.py"  # of reports


@pytest.mark.parametrize("root", ROOTS)
def test_a_file_that_a_root_names_decides_from_then_on(root: str) -> None:
    new = "pipelines/report/plots.py"
    assert new not in deciding([root])
    text = f"{HERE.whole(root)}\n\ndef late():\n    from pipelines.report import plots\n"
    assert new in deciding([root], HERE.having({root: text}))


@pytest.mark.parametrize("root", ROOTS)
def test_what_tells_is_not_followed_however_it_is_named(root: str) -> None:
    text = f"{HERE.whole(root)}\nfrom pipelines.pictures.people import draw_poses\n"
    assert deciding([root], HERE.having({root: text})) == deciding([root])


@pytest.mark.parametrize(
    ("root", "never"),
    [
        ("pipelines/training/loop.py", "pipelines/recipe/params.py"),
        ("pipelines/training/loop.py", "pipelines/recipe/profile.py"),
        ("pipelines/training/loop.py", "pipelines/cluster/"),
        ("pipelines/training/loop.py", "pipelines/tracking/"),
        ("pipelines/training/loop.py", "pipelines/report/"),
        ("pipelines/training/results.py", "pipelines/tracking/"),
        ("pipelines/evaluation/measure.py", "pipelines/recipe/params.py"),
        ("pipelines/evaluation/measure.py", "pipelines/training/"),
        ("pipelines/evaluation/measure.py", "pipelines/registry/"),
        ("pipelines/intake/preparing.py", "pipelines/recipe/"),
        ("pipelines/intake/preparing.py", "pipelines/prediction/"),
        ("pipelines/intake/preparing.py", "models/"),
        ("pipelines/intake/preparing.py", "data/codecs/"),
        ("pipelines/intake/preparing.py", "data/datasets/"),
        ("pipelines/intake/sources.py", "pipelines/recipe/"),
        ("pipelines/intake/sources.py", "data/datasets/"),
        *((root, "data/skeletons/") for root in ROOTS),
        *((root, "data/codecs/") for root in ROOTS),
        *((root, "data/evaluators/") for root in ROOTS),
        *((root, "models/losses/") for root in ROOTS),
        *((root, "pipelines/digests/") for root in ROOTS),
    ],
)
def test_a_root_alone_drags_no_plug_and_no_other_room_in(root: str, never: str) -> None:
    """What stands on a menu comes in by a recipe's name for it."""
    assert not {place for place in deciding([root]) if place.startswith(never)}
