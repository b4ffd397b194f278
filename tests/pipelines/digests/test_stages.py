"""dvc.yaml: stages depend on folders and on digests, and the digests on all that they are of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.ground.yaml_text import read_yaml
from data.menus import DATASETS
from pipelines.digests.deciding import scores, trains
from pipelines.recipe.reader import read_as, recipe_path
from pipelines.recipe.schema import Recipe
from tests.worlds.deciding import HERE, deciding_code
from tests.worlds.here import ROOT

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CODE = "data/store/code"
# stage -> digests that it depends on
DIGESTS = {
    "fetch": f"{CODE}/datasets/${{item}}/fetch.json",
    "prepare": f"{CODE}/datasets/${{item}}/prepare.json",
    "detect": f"{CODE}/datasets/${{item}}/detect.json",
    "detect_mix": f"{CODE}/datasets/${{key}}/detect.json",
    "mix": f"{CODE}/datasets/${{key}}/fetch.json",
    "prepare_mix": f"{CODE}/datasets/${{key}}/prepare.json",
    "train": f"{CODE}/${{key}}/train.json",
    "evaluate": f"{CODE}/${{key}}/evaluate.json",
    "compare": f"{CODE}/stages/compare.json",
    "promote": f"{CODE}/stages/promote.json",
}


def deps(stage: str) -> list[str]:
    described = STAGES[stage].get("do", STAGES[stage])
    return list(described.get("deps", []))


@pytest.mark.parametrize("stage", DIGESTS)
def test_a_stage_depends_on_the_digests_of_its_code(stage: str) -> None:
    assert DIGESTS[stage] in deps(stage)


def test_every_stage_is_among_them() -> None:
    pinned = {"weights"}  # by the sha256 in the recipe: no code makes another file of them
    looking = {"look"}  # each time, whatever has changed
    assert set(STAGES) == {*DIGESTS, "code"} | pinned | looking
    assert not deps("weights")
    assert STAGES["look"]["do"]["always_changed"] and not deps("look")


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_lists_source_files(stage: str) -> None:
    menus = {"data/menus.py"}  # beside data/store, which no stage may lie in the outs of
    sources = {each for each in deps(stage) if Path(each).suffix == ".py"}
    assert sources <= (menus if stage == "code" else set())


def test_every_file_that_may_decide_is_below_what_code_depends_on() -> None:
    seen = tuple(f"{each}/" if (ROOT / each).is_dir() else each for each in deps("code"))
    files = {
        path.relative_to(ROOT).as_posix()
        for wing in ("data", "models", "pipelines", "recipes")
        for path in (ROOT / wing).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files = {place for place in files if not place.startswith("data/store/")}
    unseen = {place for place in files if not place.startswith(seen)}
    assert unseen == {"data/__init__.py"}, "a docstring"
    assert {place for code in deciding_code().values() for place in code.files} <= files
    assert all((ROOT / each).exists() for each in deps("code"))
    assert {"run", "detect", "detectors"} <= set(STAGES["code"]["params"])


def deciding(stage: str, name: str) -> set[str]:
    recipe = read_as(Recipe, read_yaml(recipe_path(name)), name)
    return set({"train": trains, "evaluate": scores}[stage](recipe, HERE).files)


WHOLE_IMAGES = {"data/feeds/whole_images.py", "data/feeds/resized_images.py"}
VIEWS = "data/feeds/person_views.py"


@pytest.mark.parametrize("name", ["demo_higher_hrnet", "lightweight_openpose_coco_368"])
def test_what_feeds_whole_images_decides_a_bottom_up_result(name: str) -> None:
    feed = "pipelines/prediction/image_feed.py"
    assert {VIEWS, *WHOLE_IMAGES, feed, "data/views/whole_views.py"} <= deciding("train", name)
    assert {*WHOLE_IMAGES, feed, "data/ground/resize.py"} <= deciding("evaluate", name)
    for stage in ("train", "evaluate"):
        assert "pipelines/prediction/crop_feed.py" not in deciding(stage, name)


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_what_feeds_whole_images_decides_no_top_down_result(stage: str) -> None:
    decide = deciding(stage, "demo_hrnet")
    assert "data/feeds/person_crops.py" in decide
    assert not {VIEWS, *WHOLE_IMAGES, "pipelines/prediction/image_feed.py"} & decide


@pytest.mark.parametrize(
    ("name", "theirs", "others"),
    [
        (
            "hrnet_w32_mpii_256x256",
            {
                "data/datasets/mpii.py", "data/skeletons/mpii.yaml", "data/evaluators/pckh.py",
                "data/codecs/heatmap.py", "models/hrnet.py", "models/losses/keypoint_mse.py",
            },
            {
                "data/datasets/coco.py", "data/skeletons/coco.yaml", "data/evaluators/oks.py",
                "models/simple_baseline.py", "models/losses/masked.py",
                "data/codecs/associative_embedding.py",
            },
        ),
        (
            "lightweight_openpose_coco_368",
            {
                "data/codecs/part_affinity_fields.py", "data/codecs/limbs/grouping.py",
                "data/skeletons/openpose18.yaml", "data/skeletons/coco.yaml",
                "models/losses/masked.py", "models/lightweight_openpose.py",
            },
            {
                "data/skeletons/mpii.yaml", "data/skeletons/crowdpose.yaml", "models/hrnet.py",
                "data/codecs/tags/grouping.py", "models/losses/pull_push.py",
                "data/codecs/heatmap.py", "data/evaluators/pckh.py",
            },
        ),
        (
            "pose_renet_hrnet_w32_coco_128x96",
            {"models/pose_renet.py", "models/hrnet.py"},
            {"data/datasets/mixture.py", "data/datasets/stick_figures.py", "models/cpn.py"},
        ),
        (
            "hrnet_w32_coco_mpii_256x192",
            {
                "data/datasets/mixture.py", "data/datasets/coco.py", "data/datasets/mpii.py",
                "data/skeletons/mpii.yaml",
            },
            {
                "data/datasets/crowdpose.py", "data/skeletons/crowdpose.yaml",
                "data/evaluators/pckh.py",
            },
        ),
    ],
)  # fmt: skip
def test_a_training_is_decided_by_its_own_plugs(
    name: str, theirs: set[str], others: set[str]
) -> None:
    decide = deciding("train", name)
    assert theirs <= decide and not others & decide


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("coco", {"mpii", "crowdpose", "stick_figures", "mixture"}),
        ("mpii", {"coco", "crowdpose", "stick_figures", "mixture"}),
        ("stick_figures", {"mpii", "crowdpose", "mixture"}),  # in COCO's layout
        ("coco_mpii", {"crowdpose", "stick_figures"}),
    ],
)
def test_a_data_set_is_decided_by_its_own_file(name: str, others: set[str]) -> None:
    for stage in ("fetch", "prepare"):
        files = deciding_code()[f"{stage}@{name}"].files
        assert not {f"data/datasets/{other}.py" for other in others} & set(files), stage


@pytest.mark.parametrize("name", ["coco", "mpii", "crowdpose"])
def test_what_is_fetched_goes_by_its_layout_and_is_not_brought_again_for_its_code(
    name: str,
) -> None:
    fetched = deciding_code()[f"fetch@{name}"]
    assert not {place for place in fetched.files if place.startswith("data/datasets/")}
    assert list(fetched.values) == [f"DATASETS[{name}].LAYOUT"]
    assert fetched.values[f"DATASETS[{name}].LAYOUT"] == repr(DATASETS[name].LAYOUT)


def test_what_a_data_set_makes_itself_goes_by_its_code() -> None:
    assert "data/datasets/sources/stick_pictures.py" in deciding_code()["fetch@stick_figures"].files
    assert "data/datasets/mixture.py" in deciding_code()["fetch@coco_mpii"].files


def test_no_out_outlives_what_it_was_made_of() -> None:
    """A checkpoint as an out, kept while the stage runs again, would be gone on from under other
    settings."""
    outs = []
    for stage in STAGES.values():
        described = stage.get("do", stage)
        outs += [out for kind in ("outs", "metrics", "plots") for out in described.get(kind, [])]
    named = dict(next(iter(out.items())) if isinstance(out, dict) else (out, {}) for out in outs)
    assert len(named) > len(STAGES) // 2
    assert not [name for name in named if name.startswith("runs/")]
    assert all(name.endswith(".json") for name, options in named.items() if options.get("persist"))
