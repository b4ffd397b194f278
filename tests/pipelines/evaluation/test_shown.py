"""Pages of chosen images: a column per recipe, heatmaps where they were written and painted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from data.ground.sample import Fields, Pose
from data.ground.skeleton import load_skeleton
from models.contracts import Network, Output
from pipelines.evaluation.chosen import Chosen, of_split
from pipelines.evaluation.shown import (
    CROP,
    PEOPLE,
    WHOLE,
    WIDE,
    Shown,
    heatmaps_block,
    heatmaps_page,
    poses_page,
    scales_of,
    stages_of,
    surest,
)
from pipelines.intake.prepared import image_files
from pipelines.pictures.columns import BAR, GAP
from pipelines.prediction.best_weights import Origin
from pipelines.prediction.boxes import Boxes, truth_boxes
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.trained import Trained
from pipelines.recipe.build import build_codec
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw

COCO = load_skeleton("coco")
POINTS = np.tile([[30.0, 30.0]], (17, 1))


class Spot(Network):
    """Paints one cell at the upper left of the channel of the nose, at strides 4 and 2."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self, channels: dict[str, int]) -> None:
        super().__init__()
        self.stride_divisor = 4
        self.outputs = [{n: Output(c, stride) for n, c in channels.items()} for stride in (4, 2)]

    def forward(self, images: Tensor) -> list[Fields]:
        size = images.shape[3], images.shape[2]
        stages = [{n: torch.zeros(1, *o.shape(size)) for n, o in s.items()} for s in self.outputs]
        for stage in stages:
            stage["heatmaps"][:, 0, 0, 0] = 1.0
        return stages


@pytest.fixture(scope="module")
def place(module_home: Path) -> SplitPlace:
    return SplitPlace(*draw(module_home, train=1, val=4), "val")


def spot(name: str) -> Trained:
    """The recipe with `Spot` for its network."""
    recipe = load_recipe(name)
    codec = build_codec(recipe)
    network = Spot(codec.channels(COCO))
    return Trained(recipe, network, codec, COCO, torch.device("cpu"), Origin(1, "f", "d"))


def chosen_one(place: SplitPlace) -> tuple[Chosen, int]:
    image_id = next(iter(image_files(place.prepared, place.raw, place.split)))
    return of_split(place, [image_id]), image_id


def tiles(block: np.ndarray, shape: tuple[int, int]) -> list[list[np.ndarray]]:
    """Pictures of a block by row and column, without the bars."""
    height, width = shape
    rows = range(2 * BAR, block.shape[0], BAR + height + GAP)
    columns = range(0, block.shape[1], width + GAP)
    return [[block[y : y + height, x : x + width] for x in columns] for y in rows]


def glow(tile: np.ndarray) -> tuple[float, float]:
    """Where a heatmap glows most, as shares of width and height."""
    light = tile.astype(int).sum(axis=2)
    assert light.max() > 400, "lighter than a dimmed image is anywhere"
    y, x = np.argwhere(light == light.max()).mean(axis=0) / tile.shape[:2]
    return float(x), float(y)


def test_a_page_of_poses_has_a_column_for_each() -> None:
    image = np.full((60, 120, 3), 200, np.uint8)
    scores = np.full(17, 0.5)
    pose = Pose(POINTS, np.full(17, 2), (10.0, 10.0, 40.0, 40.0), keypoint_scores=scores)
    weak = replace(pose, keypoint_scores=np.full(17, 0.1))
    page = poses_page(image, [], {"a": [pose], "b": [weak]}, COCO, {"a": 0.2, "b": 0.2})
    assert page.shape == (WIDE // 2 + BAR, 4 * WIDE + 3 * GAP, 3)
    pictures = [page[BAR:, n * (WIDE + GAP) : n * (WIDE + GAP) + WIDE] for n in range(4)]
    drawn = [bool((picture != 200).any()) for picture in pictures]
    assert drawn == [False, False, True, False], "keypoints under the threshold are not drawn"
    without = poses_page(image, None, {"a": [pose]}, COCO, {"a": 0.2})
    assert without.shape[1] == 2 * WIDE + GAP, "no truth, no column"


@pytest.mark.parametrize(
    ("name", "scales"), [("demo_hrnet", {32: 0, 64: 1}), ("demo_higher_hrnet", {48: 0, 96: 1})]
)
def test_a_scale_is_the_height_in_cells_at_the_recipes_input(
    name: str, scales: dict[int, int]
) -> None:
    trained = spot(name)
    assert scales_of(trained, name) == scales
    low, high = scales
    assert stages_of(trained, name, high) == {high: 1}
    with pytest.raises(ValueError, match=f"given 7, accepted: {low}, {high} .*{name}"):
        stages_of(trained, name, 7)


def test_of_several_stages_at_one_scale_the_last_is_shown() -> None:
    trained = spot("demo_hrnet")
    trained.network.outputs = [*trained.network.outputs, trained.network.outputs[0]]
    assert scales_of(trained, "some") == {32: 2, 64: 1}


def test_crops_have_a_row_for_each_person(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    trained = spot("demo_hrnet")
    boxes = truth_boxes(place.prepared, place.split).of_images([image_id])
    names = ["nose", "left_wrist"]
    block = heatmaps_block(Shown("some", trained, boxes), chosen, image_id, names, None)
    rows = tiles(block, (CROP, CROP * 96 // 128))
    assert len(rows) == min(len(boxes), PEOPLE)
    for row in rows:
        assert len(row) == 9, "input, 2 keypoints at 2 scales, written and painted"
        written, painted = [glow(row[n]) for n in (1, 3)], [glow(row[n]) for n in (2, 4)]
        assert all(max(at) < 0.05 for at in painted), "the nose is painted in the corner"
        assert all(0.2 < x < 0.8 for x, _ in written), "and written at the person"


def test_whole_images_have_a_row_for_each_keypoint(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    trained = spot("demo_openpose")
    assert trained.codec.keypoint_channels(COCO)[COCO.keypoints.index("left_eye")] != 1
    only = heatmaps_block(Shown("some", trained, None), chosen, image_id, ["nose"], None)
    both = heatmaps_block(
        Shown("some", trained, None), chosen, image_id, ["nose", "left_eye"], None
    )
    one, two = only.shape[0] - BAR, both.shape[0] - BAR
    assert two == 2 * one + GAP and both.shape[1] == only.shape[1]


def test_where_nobody_is_known_nothing_is_written(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    trained, high = spot("demo_higher_hrnet"), 96
    known = heatmaps_block(Shown("some", trained, None), chosen, image_id, ["nose"], high)
    unknown = replace(chosen, truth=None)
    without = heatmaps_block(Shown("some", trained, None), unknown, image_id, ["nose"], high)
    assert known.shape[1] == 3 * WHOLE + 2 * GAP and without.shape[1] == 2 * WHOLE + GAP


def test_recipes_of_both_kinds_stand_beside_each_other(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    boxes = truth_boxes(place.prepared, place.split).of_images([image_id])
    both = [Shown("a", spot("demo_hrnet"), boxes), Shown("b", spot("demo_higher_hrnet"), None)]
    page = heatmaps_page(both, chosen, image_id, ["nose"])
    widths = [heatmaps_page([each], chosen, image_id, ["nose"]).shape[1] for each in both]
    assert page.shape[1] == sum(widths) + GAP


def boxes_of(*box: tuple[float, float, float, float], people: bool) -> Boxes:
    """Of image 1, but for the last; the third is the surest."""
    ids, score = [1] * (len(box) - 1) + [2], [0.5] * len(box)
    score[2] = 0.9
    known = np.arange(len(box)) if people else None
    return Boxes(np.array(ids), np.array(box, float), np.array(score), person_id=known)


def test_the_surest_come_first_then_the_largest() -> None:
    sizes = (4, 9, 1, 7, 3, 8)
    boxes = boxes_of(*((0, 0, size, size) for size in sizes), people=True)
    kept = surest(boxes, 1)
    assert kept.person_id is not None and kept.person_id.tolist() == [2, 1, 3, 0, 4]


def test_a_person_whom_a_detector_found_twice_is_shown_once() -> None:
    twice, apart = (1, 1, 10, 10), (9, 0, 10, 10)
    boxes = boxes_of((0, 0, 10, 11), twice, (0, 0, 10, 10), apart, (0, 0, 5, 5), people=False)
    np.testing.assert_array_equal(surest(boxes, 1).box_image, [(0, 0, 10, 10), apart])


def test_a_page_has_room_for_some_people(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    many = PEOPLE + 2
    box = np.stack([np.arange(many) * 30, np.zeros(many), *[np.full(many, 20.0)] * 2], axis=1)
    boxes = Boxes(np.full(many, image_id), box, np.ones(many))
    block = heatmaps_block(
        Shown("some", spot("demo_hrnet"), boxes), chosen, image_id, ["nose"], None
    )
    assert len(tiles(block, (CROP, CROP * 96 // 128))) == PEOPLE


def test_nobody_in_a_box_is_said_on_the_page(place: SplitPlace) -> None:
    chosen, image_id = chosen_one(place)
    nobody = Boxes(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0))
    block = heatmaps_block(
        Shown("some", spot("demo_hrnet"), nobody), chosen, image_id, ["nose"], None
    )
    assert block.shape[1] == CROP
