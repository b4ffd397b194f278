"""A line of a menu counts for those who name it, the rest of the file for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.digests.menus import MENUS, menu_line, without_menus
from pipelines.digests.sources import digest
from tests.worlds.here import ROOT

TEXT = '''"""Menus."""

from typing import Any

from data.codecs import first as one, second
from data.codecs.third import Third
from data.ground.codec import Codec
from data.ground.kept import kept

CODECS: dict[str, Codec] = {"one": one, "both": Third({"a": one, "b": second}), False: kept}
SIZE: Any = kept(3)


def pick(name: str) -> Codec:
    return CODECS[name]
'''
REST = """from typing import Any
from data.ground.codec import Codec
from data.ground.kept import kept
SIZE: Any = kept(3)

def pick(name: str) -> Codec:
    return CODECS[name]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("first", "second", "third"):
        path = tmp_path / "data" / "codecs" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "data" / "ground").mkdir()
    (tmp_path / "data" / "ground" / "kept.py").touch()
    return tmp_path


def test_the_rest_is_without_the_menus_and_their_imports() -> None:
    rest = without_menus(TEXT, ("CODECS",))
    assert digest(rest) == digest(REST)


def test_a_line_more_changes_nothing_of_the_rest() -> None:
    more = TEXT.replace('{"one"', '{"new": New, "one"')
    more = more.replace(
        "from data.ground.codec", "from data.codecs.new import New\nfrom data.ground.codec"
    )
    assert without_menus(more, ("CODECS",)) == without_menus(TEXT, ("CODECS",))
    other = TEXT.replace("CODECS[name]", "CODECS[name.lower()]")
    assert without_menus(other, ("CODECS",)) != without_menus(TEXT, ("CODECS",))


def test_a_line_is_the_files_that_it_names(tree: Path) -> None:
    assert menu_line(TEXT, "CODECS", "one", tree).files == ("data/codecs/first.py",)
    both = menu_line(TEXT, "CODECS", "both", tree).files
    assert set(both) == {f"data/codecs/{name}.py" for name in ("first", "second", "third")}
    assert menu_line(TEXT, "CODECS", False, tree).files == ("data/ground/kept.py",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"a": one, "b": second}', '{"b": second, "a": one}'),
        ("import Third", "import Fourth as Third"),
        ("import first as one, second", "import second as one, first as second"),
    ],
)
def test_a_line_says_what_is_done_with_them(tree: Path, old: str, new: str) -> None:
    assert TEXT.replace(old, new) != TEXT
    lines = [
        menu_line(text, "CODECS", "both", tree).text for text in (TEXT, TEXT.replace(old, new))
    ]
    assert lines[0] != lines[1]


def test_another_line_says_nothing_of_it(tree: Path) -> None:
    text = TEXT.replace('"one": one', '"one": one, "two": second')
    before, after = (menu_line(each, "CODECS", "both", tree) for each in (TEXT, text))
    assert before == after


def test_a_name_on_no_menu_is_refused(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"CODECS.*'three'.*one, both"):
        menu_line(TEXT, "CODECS", "three", tree)


@pytest.mark.parametrize("place", MENUS)
def test_no_menu_is_stale(place: str) -> None:
    """Each is there, and no other way than as one name that a dict is given to."""
    text = (ROOT / place).read_text()
    for menu in MENUS[place]:
        assert without_menus(text, (menu,)) != without_menus(text, ())
