"""Associative embedding: targets by a plain loop, people as the plain algorithm finds them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from data.codecs import tag_grouping, tag_peaks, tag_refinement
from data.codecs.associative_embedding import AssociativeEmbedding, grouping_order
from data.sample import Decoded, Fields, Output, WholeBatch
from data.skeletons import COCO, CROWDPOSE, MPII, Skeleton
from tests.data.codecs import plain_associative_embedding as plain

GATED = AssociativeEmbedding(resolution="exact")
REFERENCE = replace(GATED, grouping="reference")
FAST = replace(GATED, resolution="fast")
SIZE = (96, 64)
NETWORK = [{"heatmaps": Output(17, 4), "tags": Output(17, 4)}, {"heatmaps": Output(17, 2)}]


def crowd(
    people: int,
    size: tuple[int, int] = SIZE,
    missing: float = 0.15,
    seed: int = 0,
    keypoints: int = 17,
) -> tuple[Tensor, Tensor]:
    """Each in a part of the input of its own: keypoints_input [N, K, 2], visibility [N, K]."""
    draw = torch.Generator().manual_seed(seed)
    columns = max(1, int(np.ceil(np.sqrt(people))))
    part = torch.tensor(size) / columns
    number = torch.arange(people)
    corner = torch.stack([number % columns, number // columns], 1) * part
    inside = 0.1 + 0.8 * torch.rand(people, keypoints, 2, generator=draw)
    seen = torch.rand(people, keypoints, generator=draw) >= missing
    return corner[:, None] + inside * part, seen.long() * 2


def batch_of(*images: tuple[Tensor, Tensor], size: tuple[int, int] = SIZE) -> WholeBatch:
    most = max(1, *(len(points) for points, _ in images), 1)
    keypoints = images[0][0].shape[1]
    points = torch.zeros(len(images), most, keypoints, 2)
    visibility = torch.zeros(len(images), most, keypoints, dtype=torch.int64)
    for n, (of_people, seen) in enumerate(images):
        points[n, : len(of_people)], visibility[n, : len(seen)] = of_people, seen
    keep = torch.ones(len(images), size[1] // 2, size[0] // 2, dtype=torch.uint8)
    nothing = torch.zeros(len(images), 1, 1, 3, dtype=torch.uint8)
    ids = torch.arange(len(images))
    return WholeBatch(
        nothing, points, visibility, keep, ids, torch.zeros(len(images), 2, 3).double()
    )


def painted(
    batch: WholeBatch, size: tuple[int, int] = SIZE, codec: AssociativeEmbedding = GATED
) -> list[Fields]:
    return codec.paint(codec.encode(batch, NETWORK, size))


def noisy(stages: list[Fields], seed: int, heat: float = 0.05, tag: float = 0.2) -> list[Fields]:
    draw = torch.Generator().manual_seed(seed)
    scale = {"heatmaps": heat, "tags": tag}
    return [
        {n: f + scale[n] * torch.randn(f.shape, generator=draw) for n, f in stage.items()}
        for stage in stages
    ]


def random_fields(seed: int, passes: int, images: int = 2) -> list[Fields]:
    draw = torch.Generator().manual_seed(seed)
    fine = torch.rand(images, 17, 32, 48, generator=draw) ** 4
    coarse = torch.rand(images, 17, 16, 24, generator=draw) ** 4
    tags = 2 * torch.randn(images, 17 * passes, 16, 24, generator=draw)
    return [{"heatmaps": coarse, "tags": tags}, {"heatmaps": fine}]


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


def as_found(decoded: Decoded, points: Tensor, seen: Tensor) -> tuple[list[int], Tensor]:
    """Of each true person with keypoints: who was found nearest, how far its worst keypoint is."""
    apart = (decoded.keypoints_input[None] - points[:, None]).abs().amax(-1)  # [N, G, K]
    worst = torch.where((seen > 0)[:, None], apart, 0).amax(2)
    far, who = worst.min(1)
    return who.tolist(), far


# targets


def test_heatmaps_are_those_of_the_plain_loop_at_both_strides() -> None:
    points, seen = crowd(6, missing=0.3)
    points[0, :6] = torch.tensor(
        [[-0.5, 3.0], [-4.5, 3.0], [95.9, 63.9], [96.0, 10.0], [10.0, 64.1], [3.9, 0.0]]
    )
    seen[0, :6] = 1
    targets = GATED.encode(batch_of((points, seen), crowd(0)), NETWORK, SIZE)
    for stage, stride in zip(targets, (4, 2), strict=True):
        target, weight = stage["heatmaps"]
        expected = plain.plain_heatmaps(points.numpy(), seen.numpy(), 2, stride, SIZE)
        assert target.dtype == torch.float32
        np.testing.assert_allclose(target[0].numpy(), expected, atol=1e-6)
        assert not target[1].any()
        assert weight.shape == (2, 1, SIZE[1] // stride, SIZE[0] // stride)


def test_tags_are_cells_of_what_is_seen_and_inside() -> None:
    nan = float("nan")
    points = torch.tensor([[[8.0, 4.0], [95.9, 63.9], [-0.5, 0.0], [-4.1, 8.0], [96.0, 8.0],
                            [8.0, 64.0], [nan, 8.0], [1e30, 8.0], [20.0, 20.0]]])  # fmt: skip
    seen = torch.tensor([[2, 1, 2, 2, 2, 2, 2, 2, 0]])
    target, weight = GATED.encode(batch_of((points, seen)), NETWORK, SIZE)[0]["tags"]
    assert target.dtype == torch.int64
    assert target.tolist() == [[[26, 15 * 24 + 23, 0, -1, -1, -1, -1, -1, -1]]]
    assert torch.equal(weight, (target >= 0).float())


def test_what_is_not_kept_has_no_weight() -> None:
    batch = batch_of(crowd(2))
    batch.keep[0, 10:20, 4:7] = 0
    coarse, fine = GATED.encode(batch, NETWORK, SIZE)
    assert torch.equal(fine["heatmaps"][1][:, 0], batch.keep.float())
    assert torch.equal(coarse["heatmaps"][1][:, 0], batch.keep[:, ::2, ::2].float())


class Largest(TorchDispatchMode):
    """The most numbers that one new tensor has."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // 4)
        return made


def test_targets_of_30_people_take_no_maps_of_each() -> None:
    size = (256, 256)
    batch = batch_of(crowd(30, size), size=size)
    with Largest() as largest:
        GATED.encode(batch, NETWORK, size)
    squares, maps = 30 * 17 * 15 * 15 * 2, 17 * (128 + 14) ** 2  # indices take 8 bytes
    assert largest.numbers <= max(squares, maps)


def test_stages_of_one_stride_share_their_targets() -> None:
    outputs = [{"heatmaps": Output(17, 4), "tags": Output(17, 4)}] * 4
    targets = GATED.encode(batch_of(crowd(3)), outputs, SIZE)
    assert len({stage["heatmaps"][0].data_ptr() for stage in targets}) == 1


# round trips


@pytest.mark.parametrize("codec", [GATED, REFERENCE, FAST], ids=["gated", "reference", "fast"])
@pytest.mark.parametrize("people", [1, 4, 11, 30])
def test_decoding_what_was_painted_gives_everyone_back(
    codec: AssociativeEmbedding, people: int
) -> None:
    size = (256, 192)
    points, seen = crowd(people, size, seed=people)
    decoded = codec.decode(painted(batch_of((points, seen), size=size), size), size)
    who, far = as_found(decoded, points, seen)
    assert len(decoded.scores) == people
    assert sorted(who) == list(range(people))
    assert float(far.max()) <= 0.5 * 4


@pytest.mark.parametrize("skeleton", [COCO, CROWDPOSE, MPII], ids=lambda s: s.name)
def test_every_skeleton_makes_the_round_trip_and_its_mirror_image(skeleton: Skeleton) -> None:
    size, count = (256, 192), len(skeleton.keypoints)
    channels = GATED.channels(skeleton)
    assert channels == {"heatmaps": count, "tags": count}
    points, seen = crowd(5, size, keypoints=count)
    there = points[:, skeleton.mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor([size[0], 0.0])
    mirrored = batch_of((there, seen[:, skeleton.mirror]), size=size)
    plain_stages = painted(batch_of((points, seen), size=size), size)
    merged = GATED.merge(plain_stages, GATED.mirror(painted(mirrored, size), skeleton))
    assert [tuple(f.shape[1] for f in s.values()) for s in merged] == [(count, 2 * count), (count,)]
    for stages in (plain_stages, merged):
        decoded = GATED.decode(stages, size)
        who, far = as_found(decoded, points, seen)
        assert sorted(who) == list(range(5))
        assert float(far.max()) <= 0.5 * 4


def test_mirroring_twice_changes_nothing_even_of_merged_passes() -> None:
    stages = random_fields(0, passes=2)
    twice = GATED.mirror(GATED.mirror(stages, COCO), COCO)
    once = GATED.mirror(stages, COCO)
    left_eye, right_eye = 1, 2
    torch.testing.assert_close(
        once[0]["tags"][:, 17 + left_eye], stages[0]["tags"][:, 17 + right_eye].flip(-1)
    )
    for stage, again in zip(stages, twice, strict=True):
        assert all(torch.equal(stage[name], again[name]) for name in stage)


def test_other_scales_give_heatmaps_only() -> None:
    points, seen = crowd(3, (192, 128))
    half = painted(batch_of((points / 2, seen)))
    whole = painted(batch_of((points, seen), size=(192, 128)), (192, 128))
    merged = GATED.merge(whole, half, whole)
    assert [tuple(f.shape[1:] for f in s.values()) for s in merged] == [
        ((17, 32, 48), (34, 32, 48)), ((17, 64, 96),)
    ]  # fmt: skip
    resized = F.interpolate(half[1]["heatmaps"], (64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(merged[1]["heatmaps"], (2 * whole[1]["heatmaps"] + resized) / 3)
    _, far = as_found(GATED.decode(merged, (192, 128)), points, seen)
    assert float(far.max()) <= 0.5 * 4


# the plain algorithm


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


# bad input


@pytest.mark.parametrize("codec", [GATED, REFERENCE, FAST], ids=["gated", "reference", "fast"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_fields_that_are_not_finite(codec: AssociativeEmbedding, value: float) -> None:
    stages = painted(batch_of(crowd(3), crowd(3)))
    for stage in stages:
        for field in stage.values():
            field[0] = value
    stages[0]["tags"][1, 3, :5] = value
    decoded = codec.decode(stages, SIZE)
    for part in (decoded.keypoints_input, decoded.scores, decoded.pose_scores):
        assert part is not None
        assert torch.isfinite(part).all()
    assert int((decoded.batch_index == 0).sum()) <= 17 * codec.max_people
    assert int((decoded.batch_index == 1).sum()) >= 3


@pytest.mark.parametrize("codec", [GATED, REFERENCE, FAST], ids=["gated", "reference", "fast"])
@pytest.mark.parametrize("cells", [(1, 1), (1, 3), (2, 1), (5, 4)])
def test_tiny_maps(codec: AssociativeEmbedding, cells: tuple[int, int]) -> None:
    for heat in (torch.zeros(1, 17, *cells), torch.rand(1, 17, *cells)):
        stage = {"heatmaps": heat, "tags": torch.randn(1, 17, *cells)}
        decoded = codec.decode([stage], (64, 64))
        assert torch.isfinite(decoded.keypoints_input).all()
        assert bool(len(decoded.scores)) == bool((heat > 0.1).any())


def test_noise_makes_at_most_so_many_people() -> None:
    """200 peaks of each keypoint, each of another tag: 30 count, each is someone."""
    heat, tags = torch.zeros(1, 17, 64, 64), torch.zeros(1, 17, 64, 64)
    rows, columns = torch.arange(200) // 15 * 4 + 2, torch.arange(200) % 15 * 4 + 2
    heat[:, :, rows, columns] = 0.5 + 0.001 * torch.arange(200)
    tags[:, :, rows, columns] = 2.0 * torch.arange(200 * 17).view(17, 200)
    decoded = FAST.decode([{"heatmaps": heat, "tags": tags}], (256, 256))
    assert decoded.scores.shape == (17 * 30, 17)
    torch.testing.assert_close(decoded.scores.amax(), torch.tensor(0.699))


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


def test_tags_must_fit_the_heatmaps() -> None:
    stage = {"heatmaps": torch.zeros(1, 17, 4, 4), "tags": torch.zeros(1, 14, 4, 4)}
    with pytest.raises(ValueError, match="14 channels of tags for 17 of heatmaps; accepted: as"):
        GATED.decode([stage], (16, 16))


@pytest.mark.parametrize("option, wrong", [
    ("sigma", 0.0), ("max_people", 0), ("detection_threshold", -0.1), ("tag_threshold", 0.0),
    ("tag_threshold", float("nan")), ("nms_kernel", 4), ("grouping", "greedy"),
    ("resolution", "half"),
])  # fmt: skip
def test_wrong_options_are_refused(option: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"associative_embedding: {option}: given .*, accepted: "):
        AssociativeEmbedding(**{option: wrong})
