"""Whatever is added to a checkout changes the digests of those who use it, and of nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.worlds.additions import ADDITIONS, LIKE, add, recipe_name, use
from tests.worlds.checkouts import copy_checkout, write_params
from tests.worlds.here import ROOT

pytestmark = pytest.mark.contract
RECIPES = {  # one of each kind of reading, one of other people
    LIKE: "stick_figures",
    "demo_hrnet": "stick_figures",
    "hrnet_w32_coco_256x192": "coco",
    "lightweight_openpose_coco_368": "coco",  # part affinity fields
    "higher_hrnet_w32_coco_512": "coco",  # associative embedding
    "hrnet_w32_mpii_256x256": "mpii",
    "ca_hrnet_w32_crowdpose_256x192": "crowdpose",
}
RUN = {
    "datasets": ["stick_figures", "coco", "mpii", "crowdpose"],
    "mixtures": {"coco_mpii": {"members": ["coco", "mpii", "mpii"]}},
    "recipes": {name: {"dataset": dataset} for name, dataset in RECIPES.items()},
}
KINDS = {"recipe": ("train", "evaluate"), "data set": ("fetch", "prepare", "detect")}
Digests = dict[str, dict[str, str]]  # of a file below data/store/code


def digests(checkout: Path) -> Digests:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.code"], cwd=checkout, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = checkout / "data" / "store" / "code"
    paths = sorted(folder.rglob("*.json"))
    return {str(p.relative_to(folder).with_suffix("")): json.loads(p.read_text()) for p in paths}


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Digests, Digests]:
    """Digests before and after one more of everything, each with a recipe that uses it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LIMBER_HOME", raising=False)
        checkout = tmp_path_factory.mktemp("additions") / "limber"
        copy_checkout(checkout)
        write_params(checkout, yaml.safe_load((ROOT / "params.yaml").read_text()) | {"run": RUN})
        before = digests(checkout)
        for name in ADDITIONS:
            add(checkout, name)
        use(checkout, list(ADDITIONS))
        return before, digests(checkout)


STAGES = [
    *(f"{name}/{kind}" for name in RECIPES for kind in KINDS["recipe"]),
    *(f"datasets/{name}/{kind}" for name in RUN["datasets"] for kind in KINDS["data set"]),
    *(f"datasets/coco_mpii/{kind}" for kind in KINDS["data set"]),
    "stages/promote",
]


@pytest.mark.parametrize("stage", STAGES)
def test_no_addition_changes_a_digest_that_was_there(
    both: tuple[Digests, Digests], stage: str
) -> None:
    before, after = both
    assert after[stage] == before[stage]


def test_the_report_counts_for_one_data_set_more(both: tuple[Digests, Digests]) -> None:
    before, after = (each["stages/compare"] for each in both)
    assert before.items() <= after.items()
    more = {f"DATASETS[{name}].PUBLISHED" for name in ("tried", "tried_mix")}
    assert set(after) - set(before) == more


def users(name: str) -> set[str]:
    return {f"{recipe_name(name)}/{kind}" for kind in KINDS["recipe"]}


def of_data(name: str) -> set[str]:
    return {f"datasets/{name}/{kind}" for kind in KINDS["data set"]}


@pytest.mark.parametrize(
    ("name", "sources", "whose"),
    [
        ("skeleton", ["data/skeletons/unused.yaml"], set()),
        (
            "data set",
            ["data/datasets/tried.py", "data/skeletons/tried.yaml", "DATASETS[tried]"],
            users("data set") | {"datasets/tried/prepare", "datasets/tried/detect"},
        ),
        ("data set", ["DATASETS[tried].LAYOUT"], {"datasets/tried/fetch"}),
        ("mixture", ["DATASETS[tried_mix]"], users("mixture") | of_data("tried_mix")),
        ("codec", ["data/codecs/tried.py", "CODECS[tried]"], users("codec")),
        ("network", ["models/tried.py", "ARCHITECTURES[tried]"], users("network")),
        ("variant", ["ARCHITECTURES[hrnet].VARIANTS[w8]"], users("variant")),
        ("loss", ["models/losses/tried.py", "LOSSES[tried]"], {"tried_loss/train"}),
        ("evaluator", ["data/evaluators/tried.py", "EVALUATORS[tried]"], users("evaluator")),
    ],
)
def test_an_addition_counts_for_its_own_users(
    both: tuple[Digests, Digests], name: str, sources: list[str], whose: set[str]
) -> None:
    _, after = both
    for source in sources:
        assert {stage for stage, held in after.items() if source in held} == whose, source


def test_all_that_was_added_to_what_runs_has_digests(both: tuple[Digests, Digests]) -> None:
    before, after = both
    made = {name for name, addition in ADDITIONS.items() if addition.recipe}
    expected = {stage for name in made for stage in users(name)}
    assert set(after) - set(before) == expected | of_data("tried") | of_data("tried_mix")


def test_a_recipe_alone_is_decided_as_the_one_that_it_is_like(
    both: tuple[Digests, Digests],
) -> None:
    _, after = both
    for kind in KINDS["recipe"]:
        assert after[f"tried_recipe/{kind}"] == after[f"{LIKE}/{kind}"]
