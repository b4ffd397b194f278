"""Part affinity fields: targets by a plain loop, people as the plain algorithm finds them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from data.codecs.limbs import grouping as limb_grouping
from data.codecs.limbs import peaks as limb_peaks
from data.codecs.limbs.drawing import draw_limbs
from data.codecs.part_affinity_fields import PartAffinityFields, with_neck
from data.ground.sample import Fields, Output, WholeBatch
from data.ground.skeleton import load_skeleton
from tests.worlds import plain_part_affinity_fields as plain

COCO = load_skeleton("coco")
CROWDPOSE = load_skeleton("crowdpose")
OPENPOSE18 = load_skeleton("openpose18")

EXACT = PartAffinityFields(resolution="exact", shift=0.5)  # as published
FAST = PartAffinityFields()
HUNGARIAN = replace(EXACT, matching="hungarian")
STANDING = torch.tensor([
    [0, -40], [4, -44], [-4, -44], [9, -41], [-9, -41], [15, -25], [-15, -25], [22, -5], [-22, -5],
    [25, 12], [-25, 12], [9, 15], [-9, 15], [10, 45], [-10, 45], [11, 75], [-11, 75],
])  # fmt: skip
SIZE = (192, 160)
NETWORK = [{"heatmaps": Output(19, 8), "pafs": Output(38, 8)}]


def crowd(
    images: int, people: int, size: tuple[int, int] = SIZE, seed: int = 0, apart: bool = False
) -> WholeBatch:
    """People of many sizes anywhere, also across the border; `apart`: side by side, whole."""
    draw = torch.Generator().manual_seed(seed)
    scale = torch.rand(images, people, 1, 1, generator=draw) * 0.9 + 0.3
    place = (torch.rand(images, people, 1, 2, generator=draw) * 1.2 - 0.1) * torch.tensor(size)
    if apart:
        scale, across = torch.full((images, people, 1, 1), 0.9), size[0] / people
        place = torch.stack([(torch.arange(people) + 0.5) * across,
                             torch.full((people,), size[1] * 0.42)], -1)[None, :, None]  # fmt: skip
    jitter = torch.randn(images, people, 17, 2, generator=draw) * 2
    points = STANDING * scale + place + jitter
    return batch_of(points, torch.full((images, people, 17), 2), size)


def batch_of(points: Tensor, visibility: Tensor, size: tuple[int, int] = SIZE) -> WholeBatch:
    count = len(points)
    return WholeBatch(
        torch.zeros(count, 8, 8, 3, dtype=torch.uint8), points.float(), visibility,
        torch.ones(count, size[1] // 2, size[0] // 2, dtype=torch.uint8),
        torch.arange(count), torch.zeros(count, 2, 3).double(),
    )  # fmt: skip


def painted(batch: WholeBatch, size: tuple[int, int] = SIZE, noise: float = 0.0) -> list[Fields]:
    stages = EXACT.paint(EXACT.encode(batch, NETWORK, size))
    draw = torch.Generator().manual_seed(1)
    for stage in stages:
        for name, field in stage.items():
            stage[name] = field + noise * torch.randn(field.shape, generator=draw)
    return stages


def check_equal(
    codec: PartAffinityFields,
    stages: list[Fields],
    size: tuple[int, int],
    matching: Callable[..., list[tuple[int, int, float]]] = plain.match,
) -> int:
    """People, coordinates and scores of codec and plain algorithm; how many there are."""
    found, count = codec.decode(stages, size), 0
    for image in range(len(stages[-1]["pafs"])):
        heatmaps, pafs = (stages[-1][name][image].numpy() for name in ("heatmaps", "pafs"))
        ratio = size[0] // pafs.shape[2]
        people = plain.decode(heatmaps[:18], pafs, ratio, codec, matching)
        rows = torch.nonzero(found.batch_index == image)[:, 0].tolist()
        assert len(rows) == len(people)
        for row, (members, parts, total) in zip(rows, people, strict=True):
            expected = np.zeros((17, 3))
            for k, name in enumerate(COCO.keypoints):
                if name in members:
                    x, y, height = members[name]
                    expected[k] = x + 0.5, y + 0.5, height
            got = np.column_stack([found.keypoints_input[row], found.scores[row]])
            assert np.array_equal(got, expected.astype(np.float32))
            assert float(found.pose_scores[row]) == np.float32(total * max(0, parts - 1))
        count += len(people)
    return count


@pytest.mark.parametrize("people", [0, 1, 7, 60])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_exact_decoding_is_the_plain_algorithm(people: int, noise: float) -> None:
    size = (304, 240) if people == 60 else SIZE
    batch = crowd(1, people, size, seed=people)
    found = check_equal(EXACT, painted(batch, size, noise), size)
    assert found >= people * 0.4


def test_hungarian_decoding_is_the_plain_algorithm_with_the_greatest_sum() -> None:
    stages = painted(crowd(2, 6, seed=5))
    assert check_equal(HUNGARIAN, stages, SIZE, plain.match_by_greatest_sum) > 3


@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_random_fields_with_ties_are_read_as_by_the_plain_algorithm(levels: int) -> None:
    draw = torch.Generator().manual_seed(levels)
    heatmaps = torch.rand(2, 19, 7, 9, generator=draw)
    pafs = torch.rand(2, 38, 7, 9, generator=draw) * 2 - 0.6  # most vectors point down and right
    stage = {"heatmaps": (heatmaps * levels).round() / levels, "pafs": (pafs * 2).round() / 2}
    lax = replace(EXACT, min_share=0.3, min_score=0.0)
    assert check_equal(lax, [stage], (72, 56)) > 3


@pytest.mark.parametrize("ratio", [1, 2, 3, 5, 8])
def test_any_whole_stride(ratio: int) -> None:
    codec = replace(EXACT, peak_distance=1.0, min_share=0.5)
    draw = torch.Generator().manual_seed(ratio)
    fields = {name: torch.rand(1, c, 12, 10, generator=draw) for name, c in
              (("heatmaps", 19), ("pafs", 38))}  # fmt: skip
    check_equal(codec, [fields], (10 * ratio, 12 * ratio))


def test_enlarging_is_opencvs() -> None:
    field = np.random.default_rng(0).random((9, 11), dtype=np.float32)
    expected = cv2.resize(field, (88, 72), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(plain.enlarge(field, 8), expected, atol=2e-6)


def test_matching_by_the_greatest_sum() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        scores = rng.random((4, 5)) * (rng.random((4, 5)) > 0.4)
        pairs, values = limb_grouping.match_hungarian(scores)
        some = {(i, j): v for (i, j), v in np.ndenumerate(scores) if v > 0}
        best = plain.match_by_greatest_sum(some)
        assert sorted(map(tuple, pairs.tolist())) == sorted((i, j) for i, j, _ in best)
        assert values.sum() == pytest.approx(sum(v for _, _, v in best))
    greedy = plain.match({(0, 0): 1.0, (0, 1): 0.9, (1, 0): 0.9})
    assert greedy == [(0, 0, 1.0)]
    assert len(limb_grouping.match_hungarian(np.array([[1.0, 0.9], [0.9, 0.0]]))[0]) == 2


@pytest.mark.parametrize("codec", [EXACT, FAST, HUNGARIAN], ids=["exact", "fast", "hungarian"])
def test_decoding_what_was_painted_gives_the_poses_back(codec: PartAffinityFields) -> None:
    size = (368, 240)
    batch = crowd(3, 4, size, apart=True)
    stages = codec.paint(codec.encode(batch, NETWORK, size))
    channels = {name: field.shape[1] for name, field in stages[0].items()}
    assert channels == codec.channels(COCO) == {"heatmaps": 19, "pafs": 38}
    found = codec.decode(stages, size)
    assert found.batch_index.tolist() == [n for n in range(3) for _ in range(4)]
    assert (found.scores > 0).all()
    for image in range(3):
        points = found.keypoints_input[found.batch_index == image]
        away = (points[:, None] - batch.keypoints_input[image]).norm(dim=-1).amax(-1)  # [N, N]
        assert sorted(away.argmin(1).tolist()) == [0, 1, 2, 3]
        assert away.amin(1).max() <= 4


@pytest.mark.parametrize("codec", [EXACT, FAST], ids=["exact", "fast"])
def test_merging_with_the_mirrored_fields_keeps_the_poses(codec: PartAffinityFields) -> None:
    size = (368, 240)
    batch = crowd(2, 3, size, apart=True)
    there = batch.keypoints_input
    other = there[:, :, COCO.mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor([size[0] - 1.0, 0])
    plain_side = codec.paint(codec.encode(batch, NETWORK, size))
    mirrored = codec.paint(codec.encode(batch._replace(keypoints_input=other), NETWORK, size))
    back = codec.mirror(mirrored, COCO)
    for name, field in plain_side[0].items():  # the strip's edge may fall on a cell
        assert ((back[0][name] - field).abs() > 1e-4).float().mean() < 1e-3
    found = codec.decode(codec.merge(plain_side, back), size)
    assert len(found.batch_index) == 6
    twice = codec.mirror(codec.mirror(plain_side, COCO), COCO)
    assert all(torch.equal(twice[0][name], field) for name, field in plain_side[0].items())


def test_fields_of_another_size_take_the_size_of_the_first() -> None:
    stages = painted(crowd(1, 3))
    large = painted(crowd(1, 3), (384, 320))
    merged = EXACT.merge(stages, large)
    assert all(merged[0][name].shape == field.shape for name, field in stages[0].items())
    same = EXACT.merge(stages, stages)
    assert all(torch.equal(same[0][name], field) for name, field in stages[0].items())


def plain_targets(
    points: np.ndarray, labelled: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """One image's heatmaps [19, h, w] and pafs [38, h, w] at stride 8: person by person."""
    width, height = size[0] // 8, size[1] // 8
    heatmaps, pafs = np.zeros((19, height, width)), np.zeros((38, height, width))
    xs, ys = np.meshgrid(np.arange(width), np.arange(height))
    for person, seen in zip(points, labelled, strict=True):
        for k in range(18):
            if seen[k]:
                x, y = person[k]
                power = ((xs * 8 + 3.5 - x) ** 2 + (ys * 8 + 3.5 - y) ** 2) / (2 * 7.0**2)
                heatmaps[k] += np.where(np.exp(-power) >= 0.01, np.exp(-power), 0)
        for limb, (a, b) in enumerate(OPENPOSE18.limb_indices):
            start, end = (person[a] - 3.5) / 8, (person[b] - 3.5) / 8
            length = np.linalg.norm(end - start)
            if not (seen[a] and seen[b]) or length == 0:
                continue
            ux, uy = (end - start) / length
            low, high = np.minimum(start, end) - 1, np.maximum(start, end) + 1
            near = np.abs(ux * (ys - start[1]) - uy * (xs - start[0])) <= 1
            near &= (xs >= low[0]) & (xs <= high[0]) & (ys >= low[1]) & (ys <= high[1])
            pafs[2 * limb][near], pafs[2 * limb + 1][near] = ux, uy
    heatmaps = np.minimum(heatmaps, 1)
    heatmaps[18] = 1 - heatmaps[:18].max(0)
    return heatmaps, pafs


@pytest.mark.parametrize("people", [1, 3, 20])
def test_targets_are_those_of_the_plain_loop(people: int) -> None:
    batch = crowd(2, people, seed=people)
    seen = torch.rand(2, people, 17, generator=torch.Generator().manual_seed(0)) > 0.2
    batch = batch._replace(visibility=seen.long() * 2)
    targets = EXACT.encode(batch, NETWORK, SIZE)[0]
    points, labelled = with_neck(batch.keypoints_input, batch.visibility)
    for image in range(2):
        heatmaps, pafs = plain_targets(
            points[image].double().numpy(), labelled[image].numpy(), SIZE
        )
        away = np.abs(targets["heatmaps"][0][image].numpy() - heatmaps)
        assert (away > 1e-4).mean() < 1e-4 and away.max() < 0.011  # the cut may fall on a cell
        other = np.abs(targets["pafs"][0][image].numpy() - pafs) > 1e-4
        assert other.mean() < 1e-4
        assert np.abs(pafs).any()


def test_the_neck_lies_between_labelled_shoulders() -> None:
    points, labelled = with_neck(STANDING.expand(1, 1, 17, 2).float(), torch.full((1, 1, 17), 2))
    assert points[0, 0, 1].tolist() == [0.0, -25.0] and labelled.all()
    assert points[0, 0, 2].tolist() == [-15.0, -25.0]  # right shoulder
    visibility = torch.full((1, 1, 17), 1)
    visibility[0, 0, 5] = 0
    labelled = with_neck(STANDING.expand(1, 1, 17, 2).float(), visibility)[1]
    assert not labelled[0, 0, 1] and not labelled[0, 0, 5] and labelled[0, 0, 2]


def test_weights_follow_keep_at_the_middle_of_each_cell() -> None:
    batch = crowd(1, 2)
    keep = torch.ones(1, 80, 96, dtype=torch.uint8)
    keep[0, :, :40] = 0  # input pixels 0 to 79: 10 cells
    targets = EXACT.encode(batch._replace(keep=keep), [*NETWORK, *NETWORK], SIZE)
    assert len(targets) == 2
    for name in ("heatmaps", "pafs"):
        weight = targets[1][name][1]
        assert weight.shape == (1, 1, 20, 24) and weight.dtype == torch.float32
        assert weight[0, 0, 3].tolist() == [0.0] * 10 + [1.0] * 14


def test_nobody_is_all_background() -> None:
    for people in (0, 2):
        batch = batch_of(torch.zeros(2, people, 17, 2), torch.zeros(2, people, 17).long())
        stage = painted(batch)[0]
        assert not stage["pafs"].any() and not stage["heatmaps"][:, :18].any()
        assert (stage["heatmaps"][:, 18] == 1).all()
        found = EXACT.decode([stage], SIZE)
        assert found.keypoints_input.shape == (0, 17, 2) and found.pose_scores.shape == (0,)


@pytest.mark.parametrize("codec", [EXACT, FAST, HUNGARIAN], ids=["exact", "fast", "hungarian"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38])
def test_fields_of_a_broken_network_are_read(codec: PartAffinityFields, value: float) -> None:
    stages = painted(crowd(2, 3))
    stages[0]["heatmaps"][0] = value
    stages[0]["pafs"][0, :, ::2] = value
    alone = EXACT.decode([{k: f[1:] for k, f in stages[0].items()}], SIZE)
    found = codec.decode(stages, SIZE)
    assert torch.isfinite(found.keypoints_input).all() and torch.isfinite(found.scores).all()
    assert torch.isfinite(found.pose_scores).all()
    assert int((found.batch_index == 1).sum()) >= len(alone.batch_index) - 1


@pytest.mark.parametrize("codec", [EXACT, FAST], ids=["exact", "fast"])
@pytest.mark.parametrize("size", [(8, 8), (8, 40), (16, 8), (24, 24)])
def test_tiny_fields(codec: PartAffinityFields, size: tuple[int, int]) -> None:
    found = codec.decode(painted(crowd(2, 2, size), size, noise=0.3), size)
    assert torch.isfinite(found.keypoints_input).all()


@pytest.mark.parametrize("codec", [EXACT, FAST], ids=["exact", "fast"])
def test_noise_is_bounded(codec: PartAffinityFields) -> None:
    """Far more than 200 peaks per channel, all of which fit all others."""
    draw = torch.Generator().manual_seed(0)
    heatmaps = torch.rand(1, 19, 46, 62, generator=draw)
    stage = {"heatmaps": heatmaps, "pafs": torch.rand(1, 38, 46, 62, generator=draw) * 2 - 0.5}
    few = replace(codec, max_peaks=20, min_share=0.4)
    prepared = few.prepare([stage], (496, 368))
    people = few.people(prepared, 0)
    assert 0 < len(people.total) <= 17 * 20
    if few.resolution == "exact":
        peaks = limb_peaks.enlarged_peaks(prepared.heatmaps[0], 8, 0.1, 6.0, 128)
        assert np.diff(peaks.first).tolist() == [128] * 18
    else:
        cells, heights = limb_peaks.refined_peaks(heatmaps[:, :18], 0.1, 128)
        assert cells.shape == (1, 18, 128, 2) and (heights > 0).all()
    found = codec.decode([stage], (496, 368))  # 19 limbs of 128 x 128 pairs
    assert len(found.batch_index) <= 17 * 128


def test_refined_peaks_of_lone_gaussians_are_where_they_are() -> None:
    points = torch.rand(1, 1, 17, 2, generator=torch.Generator().manual_seed(0)) * 120 + 20
    stage = painted(batch_of(points, torch.full((1, 1, 17), 2)))[0]
    cells, heights = limb_peaks.refined_peaks(stage["heatmaps"][:, :18], 0.1, 4)
    expected = (with_neck(points, torch.ones(1, 1, 17))[0][0, 0] + 0.5) / 8 - 0.5
    assert (cells[0, :, 0] - expected).abs().max() < 1e-3
    assert (heights[0, :, 0] > 0.75).all() and heights.max() < 1.001
    assert not heights[0, :, 1:].any()


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match=r"skeleton: given crowdpose \(14 keypoints\), accepted"):
        EXACT.channels(CROWDPOSE)
    with pytest.raises(ValueError, match="given 14 keypoints"):
        with_neck(torch.zeros(1, 1, 14, 2), torch.zeros(1, 1, 14))
    stage = {"heatmaps": torch.zeros(1, 19, 6, 6), "pafs": torch.zeros(1, 38, 6, 6)}
    with pytest.raises(ValueError, match=r"6 x 6 cells for an input of 50 x 48.*or take fast"):
        EXACT.decode([stage], (50, 48))
    assert len(FAST.decode([stage], (50, 48)).batch_index) == 0
    for name, wrong in (
        ("sigma", 0.0), ("matching", "best"), ("resolution", "low"), ("limb_samples", 1),
        ("min_share", 1.0), ("max_peaks", 0), ("peak_threshold", 0.0), ("thickness", math.inf),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"part_affinity_fields: {name}: given"):
            PartAffinityFields(**{name: wrong})


def test_several_passes_are_averaged_each_with_the_same_weight() -> None:
    sizes = [(6, 8), (3, 4), (12, 16)]
    passes = [
        [
            {
                "heatmaps": torch.full((1, 19, *size), float(n)),
                "pafs": torch.full((1, 38, *size), -1.0 * n),
            }
        ]
        for n, size in enumerate(sizes, start=1)
    ]
    merged = FAST.merge(*passes)[0]
    assert merged["heatmaps"].shape == (1, 19, 6, 8)
    torch.testing.assert_close(merged["heatmaps"], torch.full((1, 19, 6, 8), 2.0))
    torch.testing.assert_close(merged["pafs"], torch.full((1, 38, 6, 8), -2.0))


def drawn_cells(a: np.ndarray, b: np.ndarray, size: tuple[int, int]) -> set[tuple[int, int]]:
    ends = (torch.from_numpy(end)[None, None, None] for end in (a, b))
    limbs = draw_limbs(*ends, torch.ones(1, 1, 1, dtype=torch.bool), 1.0, size)
    return {(int(x), int(y)) for y, x in limbs[0].abs().amax(0).nonzero()}


def test_limbs_are_the_official_ones_but_for_their_ends() -> None:
    """Theirs begins a cell before the least end less the thickness, and ends a cell early."""
    rng, size = np.random.default_rng(0), (46, 46)
    both = ours_alone = theirs_alone = 0
    for a, b in rng.uniform(3, 43, (300, 2, 2)):
        low, high = np.minimum(a, b) - 1, np.maximum(a, b) + 1
        ours, theirs = drawn_cells(a, b, size), plain.official_cells(tuple(a), tuple(b), 1.0, size)
        both += len(ours & theirs)
        ours_alone, theirs_alone = (
            ours_alone + len(ours - theirs),
            theirs_alone + len(theirs - ours),
        )
        assert all((np.array(cell) >= np.floor(high)).any() for cell in ours - theirs)
        assert all((np.array(cell) < low).any() for cell in theirs - ours)
    assert both > 5 * ours_alone > 0 and both > 5 * theirs_alone > 0, "long limbs: ends alone"
