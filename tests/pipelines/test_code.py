"""`python -m pipelines.code` writes who is decided by what, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.code import main, write_code
from pipelines.digests.deciding import fetches, scores, trains
from pipelines.digests.sources import Sources
from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.recipe.reader import load_recipe

DATA = ("fetch", "prepare", "detect")  # stages of a data set


def content(name: str) -> dict[str, str]:
    read: dict[str, str] = json.loads((places.code() / f"{name}.json").read_text())
    return read


def test_digests_of_all_that_params_say_runs(home: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 0, capsys.readouterr().err
    run = load_params()["run"]
    files = {f"{name}/{kind}" for name in run["recipes"] for kind in ("train", "evaluate")}
    names = [*run["datasets"], *run["mixtures"]]
    files |= {f"datasets/{name}/{kind}" for name in names for kind in DATA}
    files |= {"stages/compare", "stages/promote"}
    found = {path.relative_to(places.code()) for path in places.code().rglob("*.json")}
    assert {str(path.with_suffix("")) for path in found} == files
    assert all(len(value) == 64 for name in files for value in content(name).values())


def test_each_file_holds_what_decides(home: Path) -> None:
    write_code(["demo_hrnet"], ["coco_mpii"])
    recipe, here = load_recipe("demo_hrnet"), Sources()
    assert content("demo_hrnet/train") == trains(recipe, here).digests(here)
    assert content("demo_hrnet/evaluate") == scores(recipe, here).digests(here)
    assert content("datasets/coco_mpii/fetch") == fetches("coco_mpii", here).digests(here)


def test_written_again_it_is_the_same_to_the_byte(home: Path) -> None:
    pages = []
    for _ in range(2):
        write_code(["demo_hrnet"], ["coco"])
        pages.append({p: p.read_bytes() for p in places.code().rglob("*.json")})
    assert pages[0] == pages[1]


def test_a_name_on_no_menu_leaves_what_was_there(home: Path) -> None:
    write_code(["demo_hrnet"], ["coco"])
    with pytest.raises(ValueError, match=r"data set: given 'nowhere', accepted: coco"):
        write_code(["demo_simple_baseline"], ["nowhere"])
    with pytest.raises(ValueError, match="no_recipe"):
        write_code(["no_recipe"], ["coco"])
    assert content("demo_hrnet/train") and not (places.code() / "demo_simple_baseline").exists()
    assert [path.name for path in places.code().parent.iterdir()] == ["code"]


def test_it_takes_no_argument(home: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["coco"]) == 2 and "error: " in capsys.readouterr().err
    assert not places.code().exists()
