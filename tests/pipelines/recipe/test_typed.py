"""A recipe by its types alone is the same recipe; when its whole check may be left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.host import places
from pipelines.recipe import typed
from pipelines.recipe.reader import load_recipe


@pytest.mark.parametrize("name", ["demo_hrnet", "demo_openpose", "hrnet_w32_coco_256x192"])
def test_it_is_what_the_whole_reader_reads(name: str) -> None:
    assert typed.typed_recipe(name) == load_recipe(name)


def test_types_are_checked_and_names_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'demo_hrnet'"):
        typed.typed_recipe("demo_hrnett")
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/some.yaml").write_text("dataset: 3\n")
    with pytest.raises(ValueError, match=r"recipes/some.yaml: "):
        typed.typed_recipe("some")


def test_only_what_nobody_wrote_since_was_checked(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    monkeypatch.setattr(typed, "PARAMS", tmp_path / "params.yaml")
    recipe, params = tmp_path / "recipes/some.yaml", tmp_path / "params.yaml"
    digests = places.code() / "some" / "train.json"
    for path, second in ((recipe, 1), (params, 2), (digests, 3)):
        assert not typed.checked_before("some")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        os.utime(path, (second, second))
    assert typed.checked_before("some") and not typed.checked_before("other")
    for path, before in ((recipe, 1), (params, 2)):
        os.utime(path, (4, 4))
        assert not typed.checked_before("some")
        os.utime(path, (before, before))
