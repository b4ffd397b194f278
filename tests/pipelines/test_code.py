"""Digests of deciding code: what feeds whole images counts where it does; DVC sees all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipelines import code
from pipelines.host.places import REPOSITORY
from pipelines.recipe.reader import load_recipe

VIEWS = "data/person_views.py"
RESIZED = "data/resized_images.py"


def names(files: list[Path]) -> set[str]:
    return {str(path.relative_to(REPOSITORY)) for path in files}


@pytest.mark.parametrize("recipe", ["demo_higher_hrnet", "lightweight_openpose_coco_368"])
def test_what_feeds_whole_images_decides_a_bottom_up_result(recipe: str) -> None:
    trained, scored = (names(of(load_recipe(recipe))) for of in (code.trains, code.scores))
    assert {VIEWS, RESIZED, "data/person_crops.py", "pipelines/whole_images.py"} <= trained
    assert {RESIZED, "data/resize.py", "pipelines/whole_images.py"} <= scored


def test_what_feeds_whole_images_decides_no_top_down_result() -> None:
    recipe = load_recipe("demo_hrnet")
    decides = names(code.trains(recipe)) | names(code.scores(recipe))
    assert "data/loader.py" in decides
    assert not {VIEWS, RESIZED, "pipelines/whole_images.py"} & decides


def test_dvc_sees_every_file_that_a_digest_may_be_of() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    seen = set(stages["code"]["deps"])
    files = {f"data/{path.name}" for path in (REPOSITORY / "data").glob("*.py")}
    assert files <= seen
    assert {"models", "pipelines", "recipes", "data/codecs", "data/datasets"} <= seen


def test_comments_and_docstrings_change_no_digest(tmp_path: Path) -> None:
    plain, told, other = (tmp_path / name for name in ("plain.py", "told.py", "other.py"))
    plain.write_text("def one():\n    pass\n\n\nN = 1\n")
    told.write_text('def one():\n    """Says."""\n\n\nN = 1  # one\n')
    other.write_text("def one():\n    pass\n\n\nN = 2\n")
    assert code.digest(plain) == code.digest(told) != code.digest(other)
