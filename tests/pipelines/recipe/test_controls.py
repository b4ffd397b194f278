"""Controls: a recipe of a paper's network and the same one without what the paper adds."""

from __future__ import annotations

import pytest

from pipelines.recipe.reader import load_recipe, recipe_names
from pipelines.report.recipe_difference import recipe_differences

RENET = "_as_pose_renet_"
CONTROLS = {  # the network with what the paper adds -> the one without
    "ca_hrnet_w32_coco_256x192": "hrnet_w32_as_ca_hrnet_coco_256x192",
    "ca_hrnet_w32_crowdpose_256x192": "hrnet_w32_as_ca_hrnet_crowdpose_256x192",
    **{
        f"pose_renet_{name.replace(RENET, '_')}": name
        for name in recipe_names()
        if RENET in name and not name.startswith("demo_")
    },
}


def test_every_row_of_the_plug_in_has_its_control() -> None:
    rows = {name for name in recipe_names() if name.startswith("pose_renet_")}
    unprinted = {"pose_renet_hrnet_w32_dark_mpii_256x256"}
    assert len(rows) == 8
    assert rows - unprinted == {name for name in CONTROLS if name.startswith("pose_renet_")}


READINGS = {  # another reading of a paper, what it is another reading of -> where they differ
    ("ca_hrnet_w32_two_attentions_coco_256x192", "ca_hrnet_w32_coco_256x192"): {
        "architecture.options.attentions"
    },
    ("ca_hrnet_w32_late_steps_coco_256x192", "ca_hrnet_w32_coco_256x192"): {
        "schedule.milestones",
        "schedule.factor",
    },
    ("pose_renet_hrnet_w32_dark_mpii_256x256", "pose_renet_hrnet_w32_mpii_256x256"): {
        "codec.options.unbiased",
        "codec.options.decoding",
    },
    ("hsr_msnet_59_n3_coco_256x192", "hsr_msnet_59_coco_256x192"): {"architecture.variant"},
    ("hsr_msnet_59_w26_coco_256x192", "hsr_msnet_59_coco_256x192"): {"architecture.variant"},
    ("demo_ca_hrnet", "demo_hrnet_as_ca_hrnet"): {"architecture.name"},
    ("demo_pose_renet", "demo_hrnet_as_pose_renet"): {"refine.name"},
}


@pytest.mark.parametrize("pair", READINGS, ids=" ".join)
def test_a_reading_differs_where_it_says(pair: tuple[str, str]) -> None:
    found = recipe_differences(*map(load_recipe, pair))
    assert {each.key for each in (*found.networks, *found.others)} == READINGS[pair]


@pytest.mark.parametrize(("name", "control"), CONTROLS.items())
def test_a_pair_differs_in_its_networks_alone(name: str, control: str) -> None:
    first, second = load_recipe(name), load_recipe(control)
    found = recipe_differences(first, second)
    assert found.networks_alone, [each.key for each in found.others]
    added = {"architecture.name"} if second.refine is first.refine else {"refine.name"}
    assert {each.key for each in found.networks} == added
    assert first.pretrained == second.pretrained
    assert second.refine is None and not second.published
