"""Values of a recipe against the menus: place, what was given, what is accepted."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.datasets.own import Source
from data.ground.skeleton import plain_skeleton
from data.ground.yaml_text import read_yaml
from pipelines.detection.settings import DetectorSettings
from pipelines.recipe import datasets
from pipelines.recipe.check import check_recipe
from pipelines.recipe.reader import read_as, recipe_path
from pipelines.recipe.schema import Recipe
from pipelines.registry.rules import RuleBook
from tests.worlds.skeletons import ODD

CROPS, WHOLE, LIMBS = "demo_hrnet", "demo_higher_hrnet", "demo_openpose"


def check(name: str, changes: Mapping[str, Any]) -> None:
    """The recipe of that name, changed at places, of right types whatever its values."""
    content = read_yaml(recipe_path(name))
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner = content
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    check_recipe(read_as(Recipe, content, "r.yaml"), "r.yaml")


def refused(name: str, changes: Mapping[str, Any]) -> str:
    with pytest.raises(ValueError, match=r"^r\.yaml: ") as caught:
        check(name, changes)
    return str(caught.value)


MENUS = [
    ("evaluation.evaluator", "okss", "given 'okss'", "did you mean 'oks'"),
    ("codec.name", "heatmapp", "given 'heatmapp'", "did you mean 'heatmap'"),
    ("losses.heatmaps.name", "keypoint_msee", "given 'keypoint_msee'", "'keypoint_mse'"),
    ("evaluation.evaluator", "pckh", "given 'pckh', which scores mpii", "stick_figures"),
    (
        "evaluation.evaluator",
        "keypoint_distances",
        "given 'keypoint_distances'",
        "'keypoint_distance'",
    ),
    ("evaluation.monitor", "APP@gt", "given 'APP@gt'", "did you mean 'AP@gt'"),
    ("evaluation.monitor", "AP", "given 'AP'", "then @ and the protocol, as @gt"),
    ("evaluation.monitor", "PCKh@0.5@gt", "given 'PCKh@0.5@gt'", "one of AP, "),
    ("evaluation.monitor", "AP@image", "given 'AP@image'", "'heatmap': AP@gt"),
]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A data set of six points without halves, limbs and pairs, by an entry of params.yaml; its
    `reference` may be handed in."""
    content = plain_skeleton(replace(ODD["tool"], reference=getattr(request, "param", "box")))
    (tmp_path / "tool.yaml").write_text(yaml.safe_dump(content))
    parts = {name: {"labels": "a.json", "images": "a"} for name in ("train", "val")}
    entry = {"format": "coco", "skeleton": str(tmp_path / "tool.yaml"), **parts}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"datasets": {"tools": entry}}))
    monkeypatch.setattr(datasets, "PARAMS", tmp_path / "params.yaml")
    return "tools"


def test_what_a_skeleton_cannot_have_is_said_before_training(tool: str) -> None:
    half = {"dataset": tool, "augmentation.half_body_probability": 0.3}
    said = refused(CROPS, half)
    assert said.startswith("r.yaml: augmentation.half_body_probability: given 0.3, accepted: 0 wit")
    assert "skeleton tool: halves are drawn of more than 8 keypoints" in said
    said = refused(LIMBS, {"dataset": tool})
    assert "part_affinity_fields: skeleton: given tool (6 keypoints), accepted: the 17" in said
    check(CROPS, half | {"augmentation.half_body_probability": 0.0})
    check(WHOLE, {"dataset": tool})


DISTANCES = {
    "augmentation.half_body_probability": 0.0,
    "evaluation.evaluator": "keypoint_distance",
    "evaluation.monitor": "PCK@0.1@gt",
}


@pytest.mark.parametrize("tool", ["head"], indirect=True)
def test_own_labels_carry_no_sizes_of_heads(tool: str) -> None:
    assert refused(CROPS, {"dataset": tool, **DISTANCES}) == (
        "r.yaml: evaluation.evaluator: keypoint_distance measures in sizes of heads (`reference: "
        "head` of skeleton tool), which the labels of tools do not carry, accepted: `reference: "
        "box`, or two keypoints"
    )
    monitor = {"evaluation.evaluator": "oks", "evaluation.monitor": "AP@gt"}
    check(CROPS, {"dataset": tool} | DISTANCES | monitor)


@pytest.mark.parametrize("tool", ["box", ("point 0", "point 3")], indirect=True, ids=str)
def test_own_distances_are_told_in_boxes_or_two_keypoints(tool: str) -> None:
    check(CROPS, {"dataset": tool, **DISTANCES})


def test_an_error_chooses_no_epoch() -> None:
    changes = {"evaluation.evaluator": "keypoint_distance", "evaluation.monitor": "NME@gt"}
    said = refused(CROPS, changes)
    assert said.startswith("r.yaml: evaluation.monitor: NME is an error, of which less is better")
    assert said.endswith("accepted: PCK@0.1, PCK@0.05, PCK@0.2, AUC")
    check(CROPS, changes | {"evaluation.monitor": "AUC@gt"})


@pytest.mark.parametrize(("path", "value", "given", "accepted"), MENUS)
def test_what_is_on_no_menu(path: str, value: object, given: str, accepted: str) -> None:
    said = refused(CROPS, {path: value})
    assert said.startswith(f"r.yaml: {path}: {given}")
    assert accepted in said.partition("accepted")[2]


POSITIVE = {  # the most of each
    "training.epochs": 100_000,
    "training.global_batch": 65_536,
    "training.validate_every": 100_000,
    "training.keep_best": 1000,
    "training.checkpoint_every_steps": 10_000_000,
    "training.steps_per_epoch": 10_000_000,
}
FRACTIONS = (
    "augmentation.rotation_probability",
    "augmentation.flip_probability",
    "augmentation.half_body_upper",
    "augmentation.half_body_probability",
    "evaluation.nms_threshold",
    "evaluation.keypoint_threshold",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "training.ema_decay",
)
SCALES = "0 up to, not including, 1, or [least, most], both above 0"
BAD_SCALES = (1.0, [1.35, 0.7], [0.7], [0.7, 1.0, 1.35], [])
TURNS = "degrees from 0, or [least, most]"
NUMBERS = [
    *(
        (path, value, f"1 to {most:,}")
        for path, most in POSITIVE.items()
        for value in (0, most + 1)
    ),
    *(("optimizer.learning_rate", value, "more than 0, up to 10") for value in (0.0, 4000.0)),
    *((path, value, "0 to 1") for path in FRACTIONS for value in (-0.01, 1.01)),
    ("augmentation.scale", -0.1, "0 to 1"),
    ("augmentation.rotation", -1.0, "0 to 180"),
    ("augmentation.rotation", 9.0e18, "0 to 180"),
    ("losses.heatmaps.weight", -1.0, "0 to 1,000,000"),
    ("losses.heatmaps.weight", 0.0, "more than 0, of one stage at least"),
    ("training.skip_non_finite", -1, "0 to 10,000,000"),
    ("schedule.warmup_steps", -1, "0 to 10,000,000"),
    ("schedule.factor", 0.0, "more than 0, up to 1"),
    ("seed", -1, "0 to 4,294,967,295"),
    *(("augmentation.scale", value, SCALES) for value in BAD_SCALES),
    *(("augmentation.rotation", value, TURNS) for value in ([30.0, -30.0], [30.0], [])),
    ("schedule.milestones", [3, 2], "rising epochs"),
    ("schedule.milestones", [2, 2], "rising epochs"),
]


@pytest.mark.parametrize(("path", "value", "accepted"), NUMBERS)
def test_numbers_out_of_range(path: str, value: object, accepted: str) -> None:
    said = refused(CROPS, {path: value})
    assert said == f"r.yaml: {path}: given {value!r}, accepted: {accepted}"


OPTIONS, BLURRED = "architecture.options", "augmentation.photometric[0]"
BLUR = [{"name": "GaussianBlur", "options": {"blur_limit": [3, 99999]}}]


@pytest.mark.parametrize(
    ("path", "value", "place", "accepted"),
    [
        ("augmentation.scale", [0.0, 1.0], "augmentation.scale[0]", "more than 0, up to 10"),
        ("schedule.milestones", [-3, 2], "schedule.milestones[0]", "1 to 100,000"),
        ("input_size", [64, 0], "input_size[1]", "1 to 4,096"),
        ("codec.options", {"sigma": 1.0e6}, "codec.options.sigma", "more than 0, up to 64"),
        ("codec.options", {"blur_kernel": 5.5}, "codec.options.blur_kernel", "a int"),
        ("codec.options", {"decoding": "best"}, "codec.options.decoding", "one of argmax, quarter"),
        (OPTIONS, {"blocks": 2**63}, f"{OPTIONS}.blocks", "1 to 32"),
        (OPTIONS, {"blocks": 0}, f"{OPTIONS}.blocks", "1 to 32"),
        (OPTIONS, {"modules": [1, 1, 99]}, f"{OPTIONS}.modules", "1 to 16"),
        (OPTIONS, {"width": 2.0}, f"{OPTIONS}.width", "a int"),
        (OPTIONS, {"width": 4096}, OPTIONS, "networks of up to 4,000,000,000"),
        ("augmentation.photometric", BLUR, f"{BLURRED}.options", "-4,096 to 4,096"),
    ],
)
def test_numbers_in_lists_and_options(path: str, value: object, place: str, accepted: str) -> None:
    said = refused(CROPS, {path: value})
    assert said.startswith(f"r.yaml: {place}: ") and f"accepted: {accepted}" in said


def spanless(kind: Any, path: str = "") -> list[str]:
    """Places of numbers in a dataclass that have no `Span`."""
    if typing.get_origin(kind) is typing.Annotated:
        return []
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return [each for name, of in hints.items() for each in spanless(of, f"{path}.{name}")]
    if typing.get_origin(kind) is typing.ClassVar:
        return []
    inside = [each for of in typing.get_args(kind) for each in spanless(of, path)]
    return inside + ([path] if kind in (int, float) else [])


@pytest.mark.parametrize("kind", [Recipe, Source, RuleBook, DetectorSettings])
def test_every_number_has_a_range(kind: type) -> None:
    assert spanless(kind) == []


@pytest.mark.parametrize("path", [*POSITIVE, *FRACTIONS])
def test_the_ends_of_a_range_are_in_it(path: str) -> None:
    for value in (1,) if path in POSITIVE else (0.0, 1.0):
        check(CROPS, {path: value})


@pytest.mark.parametrize("scales", [[], [0.5], [1.0, 1.0], [1.0, 0.4], [1.0, 3.5]])
def test_scales_that_do_not_lie_one_over_the_other(scales: list[float]) -> None:
    said = refused(WHOLE, {"evaluation.scales": scales})
    assert said.startswith(f"r.yaml: evaluation.scales: given {scales}, accepted: 1.0, others")


def test_scales_of_whole_images_and_of_crops() -> None:
    for scales in ([1.0], [0.5, 1.0, 2.0], [2.0, 1.0], [0.25, 1.0, 4.0]):
        check(WHOLE, {"evaluation.scales": scales})
    said = refused(CROPS, {"evaluation.scales": [1.0, 2.0]})
    assert said == "r.yaml: evaluation.scales: given [1.0, 2.0], accepted with crops: [1.0]"


@pytest.mark.parametrize(
    ("name", "augmentation", "given", "accepted"),
    [
        (CROPS, {"view": "whole_image"}, "whole images", "'heatmap': one without `view`"),
        (CROPS, {"view": "person_crop"}, "whole images", "'heatmap': one without `view`"),
        (WHOLE, {}, "crops", "'associative_embedding': one with a `view`"),
    ],
)
def test_changes_of_the_other_kind_of_view(
    name: str, augmentation: dict[str, Any], given: str, accepted: str
) -> None:
    said = refused(name, {"augmentation": augmentation})
    assert f"augmentation: given one of {given}, accepted with codec {accepted}" in said


MPII = {"dataset": "mpii", "evaluation": {"evaluator": "pckh", "monitor": "PCKh@0.5@image"}}


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"evaluation.monitor": "AP@gt"}, "evaluation.monitor", "AP@image"),
        ({"dataset": "coco_mpii"}, "codec", "accepted: a top-down codec"),
        (MPII, "evaluation.evaluator", "pckh scores each person from its own box"),
    ],
)
def test_what_whole_images_do_not_have(changes: dict[str, Any], place: str, said: str) -> None:
    told = refused(WHOLE, changes)
    assert told.startswith(f"r.yaml: {place}: ") and said in told


@pytest.mark.parametrize(
    ("name", "losses", "given"),
    [
        (CROPS, {}, "[]"),
        (WHOLE, {"heatmaps": {"name": "masked_mse"}}, "['heatmaps']"),
    ],
)
def test_every_field_that_is_painted_wants_its_loss(
    name: str, losses: dict[str, Any], given: str
) -> None:
    said = refused(name, {"losses": losses})
    assert said.startswith(f"r.yaml: losses: given {given}, accepted: one for each field")
    assert "'heatmaps'" in said.partition("accepted")[2]


def test_weights_are_as_many_as_stages_that_paint_the_field() -> None:
    check(WHOLE, {"losses.heatmaps.weight": [1.0, 0.5]})
    said = refused(WHOLE, {"losses.heatmaps.weight": [1.0, 0.5, 0.2]})
    assert "losses.heatmaps.weight: given 3 numbers, accepted: one, or 2" in said
    said = refused(WHOLE, {"losses.tags.stage_options": {"1": {}}})
    assert "losses.tags.stage_options: given '1', accepted: one of -1, 0" in said


def test_what_a_plug_refuses_is_told_with_its_place() -> None:
    said = refused(CROPS, {"codec.options": {"blur_kernel": 4}})
    assert said.startswith("r.yaml: codec.options: heatmap: blur_kernel: given 4, accepted: ")


@pytest.mark.parametrize("size", [[33, 64], [64, 64, 64], []])
def test_sizes_that_are_none(size: list[int]) -> None:
    said = refused(CROPS, {"input_size": size})
    assert said.startswith(f"r.yaml: input_size: given {size}, accepted: [width, height], both")


@pytest.mark.parametrize("name", [CROPS, WHOLE, LIMBS])
def test_a_recipe_as_it_is_passes(name: str) -> None:
    check(name, {})
