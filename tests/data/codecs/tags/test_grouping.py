"""Grouping by tags: the people, points and scores of the plain algorithm."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from data.codecs.associative_embedding import AssociativeEmbedding, Scale, grouping_order
from data.codecs.tags import grouping as tag_grouping
from data.codecs.tags import peaks as tag_peaks
from data.codecs.tags import refinement as tag_refinement
from data.ground.sample import Decoded, Fields
from data.ground.skeleton import load_skeleton
from tests.worlds import plain_associative_embedding as plain
from tests.worlds.painted_people import (
    FAST,
    GATED,
    REFERENCE,
    SIZE,
    batch_of,
    crowd,
    noisy,
    painted,
    random_fields,
)

CROWDPOSE = load_skeleton("crowdpose")


def check_as_plain(
    codec: AssociativeEmbedding, stages: list[Fields], size: tuple[int, int] = SIZE
) -> Decoded:
    """Same people in the same order, same coordinates, same scores."""
    decoded = codec.decode(stages, size)
    assert decoded.pose_scores is not None
    for image in range(len(stages[0]["heatmaps"])):
        points, scores, pose_scores = plain.plain_decode(codec, stages, image, size)
        mine = decoded.batch_index == image
        assert int(mine.sum()) == len(points)
        np.testing.assert_allclose(decoded.scores[mine], scores, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(decoded.keypoints_input[mine], points)
        np.testing.assert_allclose(decoded.pose_scores[mine], pose_scores, rtol=0, atol=1e-6)
    return decoded


def test_the_plain_enlargement_is_torchs() -> None:
    field = torch.rand(3, 7, 9)
    for size in ((18, 14), (9, 7), (31, 23), (4, 5)):
        torchs = F.interpolate(field[None], size[::-1], mode="bilinear", align_corners=False)[0]
        np.testing.assert_allclose(plain.enlarged(field.numpy(), *size), torchs, atol=1e-6)


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("codec", [GATED, REFERENCE], ids=["gated", "reference"])
def test_random_fields(codec: AssociativeEmbedding, passes: int) -> None:
    for seed in range(2):
        assert len(check_as_plain(codec, random_fields(seed, passes, 1)).scores) > 20


@pytest.mark.parametrize("scale", ["coarse", "fine"])
@pytest.mark.parametrize("codec", [GATED, REFERENCE], ids=["gated", "reference"])
def test_one_scale_alone(codec: AssociativeEmbedding, scale: Scale) -> None:
    one = replace(codec, scale=scale)
    assert len(check_as_plain(one, random_fields(3, 2, 1)).scores) > 20
    check_as_plain(one, noisy(painted(batch_of(crowd(7))), seed=7))


@pytest.mark.parametrize("codec", [GATED, REFERENCE], ids=["gated", "reference"])
@pytest.mark.parametrize("people", [0, 1, 2, 7, 30, 60])
def test_people_painted_well_and_badly(codec: AssociativeEmbedding, people: int) -> None:
    stages = painted(batch_of(crowd(people)))
    check_as_plain(codec, stages)  # all of its peaks are ties of four pixels
    check_as_plain(codec, noisy(stages, seed=people))
    check_as_plain(codec, noisy(stages, seed=people, heat=0.005, tag=0.0))
    check_as_plain(replace(codec, refine=False), noisy(stages, seed=people))


@pytest.mark.parametrize("codec", [GATED, REFERENCE], ids=["gated", "reference"])
def test_ties_of_heights_and_of_tags(codec: AssociativeEmbedding) -> None:
    for levels in (1, 2, 5):
        stages = random_fields(levels, passes=1, images=1)
        coarse = [
            {name: (field * levels).round() / levels for name, field in stage.items()}
            for stage in stages
        ]
        check_as_plain(codec, coarse)
    flat = [{name: torch.full_like(f, 0.5) for name, f in s.items()} for s in stages]
    decoded = check_as_plain(replace(codec, max_people=5), flat)
    if codec.grouping == "gated":
        assert len(decoded.scores) == 1  # one peak of each keypoint, all of one tag


@pytest.mark.parametrize("codec", [GATED, REFERENCE], ids=["gated", "reference"])
def test_people_cut_by_the_border(codec: AssociativeEmbedding) -> None:
    points, seen = crowd(4, missing=0.0)
    for shift in ((-30.0, -10.0), (30.0, 20.0), (0.0, -25.0)):
        moved = points + torch.tensor(shift)
        check_as_plain(codec, noisy(painted(batch_of((moved, seen))), 0, heat=0.01, tag=0.1))


@pytest.mark.parametrize("size", [(24, 16), (48, 32), (100, 70), (31, 23)])
def test_inputs_of_any_size(size: tuple[int, int]) -> None:
    check_as_plain(GATED, random_fields(3, passes=1, images=1), size)
    check_as_plain(GATED, random_fields(3, passes=1, images=1)[:1], size)


@pytest.mark.parametrize("options", [
    {"max_people": 3}, {"tag_threshold": 0.4}, {"tag_threshold": 2.5},
    {"detection_threshold": 0.4}, {"nms_kernel": 3}, {"nms_kernel": 9}, {"nms_kernel": 1},
], ids=str)  # fmt: skip
def test_options_mean_what_the_plain_algorithm_means(options: dict[str, Any]) -> None:
    check_as_plain(replace(GATED, **options), random_fields(7, passes=2, images=1))


def test_of_equal_scales_the_last_stage_counts_and_tags_are_the_last() -> None:
    first, last = random_fields(0, 1), random_fields(1, 1)
    four = [first[0], last[0] | {"heatmaps": first[0]["heatmaps"]}, last[0]]
    decoded, alone = GATED.decode(four, SIZE), GATED.decode(last[:1], SIZE)
    assert torch.equal(decoded.keypoints_input, alone.keypoints_input)


def test_fast_is_exact_at_the_cells_of_the_finest_heatmaps() -> None:
    stages = noisy(painted(batch_of(crowd(5))), 0)
    fast, exact = FAST.decode(stages, SIZE), GATED.decode(stages, (48, 32))
    assert torch.equal(fast.keypoints_input, exact.keypoints_input * 2)
    assert torch.equal(fast.scores, exact.scores)


# grouping


def test_gating_first_finds_30_of_30_where_the_first_keypoint_is_missing() -> None:
    size = (256, 256)
    for seed in range(3):
        points, seen = crowd(30, size, seed=seed)
        assert (seen[:, 0] == 0).any()
        stages = noisy(painted(batch_of((points, seen), size=size), size), seed, 0.002, 0.05)
        assert len(GATED.decode(stages, size).scores) == 30


def test_the_reference_order_loses_track_of_them() -> None:
    """People's tags at even distances: the cheapest assignment shifts all of them by one."""
    size = (256, 256)
    found = []
    for seed in range(4):
        points, seen = crowd(30, size, seed=seed)
        stages = noisy(painted(batch_of((points, seen), size=size), size), seed, 0.002, 0.05)
        found.append(len(REFERENCE.decode(stages, size).scores))
    assert max(found) > 40


def test_the_gated_assignment_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        peaks, people = rng.integers(1, 5, 2)
        tags, known = rng.normal(size=(peaks, 1)) * 1.5, rng.normal(size=(people, 1)) * 1.5
        scores = rng.random(peaks)
        rows, owners = tag_grouping._gate_then_assign(scores, tags, known, 1.0)
        assert (np.abs(tags[rows] - known[owners]) < 1.0).all()
        found = np.round(np.abs(tags[rows] - known[owners])).sum() * 100 - scores[rows].sum()
        best = (0, 0.0)  # most pairs, then the least cost
        for size in range(1, min(peaks, people) + 1):
            for some in itertools.combinations(range(peaks), size):
                for to in itertools.permutations(range(people), size):
                    distance = np.abs(tags[list(some)] - known[list(to)])[:, 0]
                    if (distance < 1.0).all():
                        cost = np.round(distance).sum() * 100 - scores[list(some)].sum()
                        best = min(best, (-size, cost))
        assert len(rows) == -best[0]
        assert found == pytest.approx(best[1], abs=1e-4)


def test_keypoints_are_grouped_from_the_head_outwards() -> None:
    assert list(grouping_order(17)) == plain.COCO_ORDER
    names = [CROWDPOSE.keypoints[k] for k in grouping_order(14)]
    assert names[:6] == [
        "left_shoulder",
        "right_shoulder",
        "top_head",
        "neck",
        "left_hip",
        "right_hip",
    ]
    assert list(grouping_order(5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["coco", "mpii", "crowdpose", "openpose18"])
def test_the_order_is_that_of_the_skeletons_names(name: str) -> None:
    keypoints = load_skeleton(name).keypoints
    outwards = ("hip", "elbow", "wrist", "knee", "ankle")
    parts = [each.rpartition("_")[2] for each in keypoints]
    ranks = [outwards.index(part) + 1 if part in outwards else 0 for part in parts]
    rising = sorted(range(len(keypoints)), key=lambda k: ranks[k])
    assert grouping_order(len(keypoints)) == tuple(rising)


def test_many_images_are_decoded_as_each_alone() -> None:
    stages = noisy(painted(batch_of(*(crowd(n, seed=n) for n in range(6)))), 0)
    together = GATED.decode(stages, SIZE)
    for n in range(6):
        alone = GATED.decode([{k: f[n : n + 1] for k, f in s.items()} for s in stages], SIZE)
        mine = together.batch_index == n
        assert torch.equal(together.keypoints_input[mine], alone.keypoints_input)
        assert together.pose_scores is not None
        assert alone.pose_scores is not None
        assert torch.equal(together.pose_scores[mine], alone.pose_scores)
    assert together.batch_index.dtype == torch.int64
    assert together.keypoints_input.dtype == together.scores.dtype == torch.float32
    assert together.pose_scores is not None
    assert together.pose_scores.dtype == torch.float32


def test_no_block_of_pixels_is_looked_at_twice_and_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    size, side = (256, 256), 256 // tag_refinement.SIDE
    ideal = painted(batch_of(crowd(4, size, missing=0.0), size=size), size)
    prepared = GATED.prepare(ideal, size)
    heat, tags = prepared.heatmaps[0, 3], prepared.tags[0, :, 3]
    grid = tag_peaks.grid((128, 128), (64, 64), size)
    visited: list[tuple[int, int]] = []
    read = tag_refinement._heat_block

    def counted(heat: Any, y_axis: Any, x_axis: Any, i: int, j: int) -> Any:
        visited.append((i, j))
        return read(heat, y_axis, x_axis, i, j)

    def search(tag: float, highest: np.ndarray, away: np.ndarray) -> tuple[int, float]:
        visited.clear()
        axes = grid.heat_y, grid.heat_x, grid.tag_y, grid.tag_x
        found: tuple[int, float] = tag_refinement._search.py_func(
            heat, tags, *axes, np.array([tag]), highest, away
        )
        return found

    monkeypatch.setattr(tag_refinement, "_heat_block", counted)
    same, none = np.ones((side, side), np.float32), np.zeros((side, side))
    search(99.0, same, none)
    assert sorted(visited) == list(np.ndindex(side, side))
    cells = heat.reshape(side, 128 // side, side, 128 // side)
    _, height = search(4.0, cells.max((1, 3)), none)
    assert height > 0.9
    assert len(visited) <= 8
