"""Associative embedding: targets by a plain loop, round trips, bad input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from data.codecs.associative_embedding import AssociativeEmbedding
from data.ground.sample import Decoded, Output
from data.ground.skeleton import Skeleton, load_skeleton
from tests.worlds import plain_associative_embedding as plain
from tests.worlds.painted_people import (
    FAST,
    GATED,
    NETWORK,
    REFERENCE,
    SIZE,
    as_found,
    batch_of,
    crowd,
    painted,
    random_fields,
)

COCO = load_skeleton("coco")
CROWDPOSE = load_skeleton("crowdpose")
MPII = load_skeleton("mpii")

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


def test_a_larger_scale_loses_nothing() -> None:
    points, seen = crowd(3, (192, 128))
    whole = painted(batch_of((points, seen), size=(192, 128)), (192, 128))
    twice = painted(batch_of((points * 2, seen), size=(384, 256)), (384, 256))
    merged = GATED.merge(whole, twice)
    assert [tuple(f.shape[2:] for f in s.values()) for s in merged] == [
        ((64, 96), (32, 48)), ((128, 192),)
    ]  # fmt: skip
    enlarged = F.interpolate(whole[1]["heatmaps"], (128, 192), mode="bilinear", align_corners=False)
    torch.testing.assert_close(merged[1]["heatmaps"], (enlarged + twice[1]["heatmaps"]) / 2)
    who, far = as_found(GATED.decode(merged, (192, 128)), points, seen)
    assert sorted(who) == [0, 1, 2]
    assert float(far.max()) <= 0.5 * 4


@pytest.mark.parametrize("codec", [GATED, FAST], ids=["gated", "fast"])
def test_one_scale_is_read_as_if_the_other_were_not_painted(codec: AssociativeEmbedding) -> None:
    coarse, fine = random_fields(5, passes=2)
    only = {"coarse": [coarse], "fine": [{"tags": coarse["tags"], **fine}], "all": [coarse, fine]}
    found = {}
    for scale, stages in only.items():
        one = replace(codec, scale=scale)
        found[scale] = one.decode([coarse, fine], SIZE)
        same_poses(found[scale], codec.decode(stages, SIZE))
        same_poses(one.decode([coarse], SIZE), codec.decode([coarse], SIZE))
    everyone = [tuple(each.keypoints_input.flatten().tolist()) for each in found.values()]
    assert len(set(everyone)) == 3


def same_poses(one: Decoded, other: Decoded) -> None:
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first, second)


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


def test_tags_must_fit_the_heatmaps() -> None:
    stage = {"heatmaps": torch.zeros(1, 17, 4, 4), "tags": torch.zeros(1, 14, 4, 4)}
    with pytest.raises(ValueError, match="14 channels of tags for 17 of heatmaps, accepted: as"):
        GATED.decode([stage], (16, 16))


@pytest.mark.parametrize("option, wrong", [
    ("sigma", 0.0), ("max_people", 0), ("detection_threshold", -0.1), ("tag_threshold", 0.0),
    ("tag_threshold", float("nan")), ("nms_kernel", 4), ("grouping", "greedy"),
    ("resolution", "half"), ("scale", "finest"),
])  # fmt: skip
def test_wrong_options_are_refused(option: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=f"associative_embedding: {option}: given .*, accepted: "):
        AssociativeEmbedding(**{option: wrong})
