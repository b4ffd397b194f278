"""Top-down codecs: what they write they read back. Heatmaps: the official targets, decodings."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from data.codecs.heatmap import HeatmapCodec
from data.ground.sample import Batch, Output
from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names
from data.menus import CODECS

COCO = load_skeleton("coco")
SKELETONS = {name: load_skeleton(name) for name in skeleton_names()}

SIZE, FIELD = (192, 256), (48, 64)
TOP_DOWN = [name for name, kind in CODECS.items() if not kind.whole_image]
STANDARD = HeatmapCodec()
DARK = HeatmapCodec(unbiased=True, decoding="dark")
NETWORK = [{"heatmaps": Output(17, 4)}]


def batch_of(points: torch.Tensor, visibility: torch.Tensor | None = None) -> Batch:
    count, keypoints = points.shape[:2]
    seen = torch.full((count, keypoints), 2) if visibility is None else visibility
    image = torch.zeros(count, 4, 4, 3, dtype=torch.uint8)
    return Batch(image, points, seen, torch.arange(count), torch.zeros(count, 2, 3).double())


def points(
    count: int = 8, keypoints: int = 17, margin: float = 12.0, seed: int = 0
) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    spread = torch.tensor(SIZE) - 2 * margin
    return torch.rand(count, keypoints, 2, generator=rng) * spread + margin


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("name", TOP_DOWN)
def test_decoding_what_was_painted_gives_the_poses_back(name: str, skeleton: Skeleton) -> None:
    codec = CODECS[name]()
    batch = batch_of(points(keypoints=len(skeleton.keypoints)))
    outputs = [{key: Output(c, 4) for key, c in codec.channels(skeleton).items()}]
    stages = codec.paint(codec.encode(batch, outputs, SIZE))
    for stage, output in zip(stages, outputs, strict=True):
        assert {key: field.shape[1] for key, field in stage.items()} == codec.channels(skeleton)
        assert all(f.shape[2:] == (FIELD[1], FIELD[0]) for f in stage.values()) and output
    decoded = codec.decode(stages, SIZE)
    assert decoded.batch_index.tolist() == list(range(8))
    assert (decoded.keypoints_input - batch.keypoints_input).abs().max() <= 0.5 * 4 + 1e-4


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("name", TOP_DOWN)
def test_merging_with_the_mirrored_fields_keeps_the_poses(name: str, skeleton: Skeleton) -> None:
    """Fields of the mirrored image, mirrored back, say the same as those of the image."""
    codec = CODECS[name]()
    there = points(keypoints=len(skeleton.keypoints), margin=24)
    mirrored = there[:, skeleton.mirror] * torch.tensor([-1.0, 1.0]) + torch.tensor(
        [SIZE[0] - 1.0, 0]
    )
    outputs = [{key: Output(c, 4) for key, c in codec.channels(skeleton).items()}]
    plain, other = (
        codec.paint(codec.encode(batch_of(p), outputs, SIZE)) for p in (there, mirrored)
    )  # fmt: skip
    merged = codec.merge(plain, codec.mirror(other, skeleton))
    away = codec.decode(merged, SIZE).keypoints_input - there
    assert away.abs().max() < 1.0 * 4


def official_target(point: np.ndarray, codec: HeatmapCodec) -> tuple[np.ndarray, float]:
    """One keypoint's map and weight, cell by cell, as the HRNet and DARK codes define them."""
    if codec.unbiased:
        scale = (FIELD[0] - 1) / (SIZE[0] - 1)
        center = (point - (np.array(SIZE) - 1) / 2) * scale + (np.array(FIELD) - 1) / 2
    else:
        center = np.array([int(p / 4 + 0.5) for p in point])
    reach = codec.sigma * 3
    low = [int(c - reach) for c in center]
    high = [int(c + reach + 1) for c in center]
    heat = np.zeros((FIELD[1], FIELD[0]))
    if low[0] >= FIELD[0] or low[1] >= FIELD[1] or min(high) < 0:
        return heat, 0.0
    for y in range(FIELD[1]):
        for x in range(FIELD[0]):
            near = max(abs(x - center[0]), abs(y - center[1])) <= reach
            if codec.unbiased or near:
                squared = (x - center[0]) ** 2 + (y - center[1]) ** 2
                heat[y, x] = math.exp(-squared / (2 * codec.sigma**2))
    return heat, 1.0


@pytest.mark.parametrize("codec", [STANDARD, HeatmapCodec(sigma=3.0), DARK], ids=str)
def test_targets_are_the_official_ones(codec: HeatmapCodec) -> None:
    edges = [[-40, 20], [-27.5, 20], [-26, 20], [-2.2, 3], [0, 0], [191, 255], [190, 300],
             [80, 283.9], [80, 278], [214, 90], [216, 90], [300, 20],
             [100.1, 7.9], [61.9, 62.1]]  # fmt: skip
    given = torch.tensor([edges], dtype=torch.float32)
    target, weight = codec.encode(batch_of(given), [{"heatmaps": Output(14, 4)}], SIZE)[0][
        "heatmaps"
    ]
    assert weight.shape == (1, 14, 1, 1) and target.shape == (1, 14, 64, 48)
    for k, point in enumerate(edges):
        heat, counts = official_target(np.array(point), codec)
        assert float(weight[0, k]) == counts, point
        np.testing.assert_allclose(target[0, k].numpy(), heat, atol=1e-5, err_msg=str(point))


def test_absent_keypoints_weigh_nothing_and_paint_nothing() -> None:
    visibility = torch.tensor([[0, 1, 2]])
    given = batch_of(points(1, 3), visibility)
    target, weight = STANDARD.encode(given, [{"heatmaps": Output(3, 4)}], SIZE)[0]["heatmaps"]
    assert weight.flatten().tolist() == [0, 1, 1]
    assert target.amax((2, 3)).flatten().tolist() == [0, 1, 1]


def test_stages_of_other_strides_get_the_same_gaussian_in_pixels() -> None:
    outputs = [{"heatmaps": Output(17, 2)}, {"heatmaps": Output(17, 4)}]
    fine, coarse = (t["heatmaps"][0] for t in DARK.encode(batch_of(points()), outputs, SIZE))
    assert fine.shape[2:] == (128, 96) and coarse.shape[2:] == (64, 48)
    assert float(fine.sum() / coarse.sum()) == pytest.approx(4, rel=0.05)


def noisy(seed: int, shape: tuple[int, ...] = (6, 17, 64, 48)) -> torch.Tensor:
    """Blobs anywhere, also over the border, on noise; with negative and nearly empty maps."""
    rng = np.random.default_rng(seed)
    height, width = shape[2:]
    x, y = np.arange(width), np.arange(height)[:, None]
    maps = np.zeros(shape)
    for n in range(shape[0]):
        for k in range(shape[1]):
            mx, my, spread = (
                rng.uniform(-2, width + 1),
                rng.uniform(-2, height + 1),
                rng.uniform(1, 3),
            )
            maps[n, k] = rng.uniform(0.1, 1) * np.exp(
                -((x - mx) ** 2 + (y - my) ** 2) / spread**2 / 2
            )
    maps[1:] += rng.normal(
        0, 0.003, maps[1:].shape
    )  # the first person's stay clean: far cells are 0
    maps[-1, -1] = -0.5 - maps[-1, -1]
    maps[-1, -2] = 0
    return torch.from_numpy(maps.astype(np.float32))


def official_decoding(heatmap: np.ndarray, decoding: str, kernel: int) -> np.ndarray:
    height, width = heatmap.shape
    peak = heatmap.max()
    row, column = divmod(int(heatmap.argmax()), width)
    at = np.array([column, row], dtype=np.float64) if peak > 0 else np.zeros(2)
    x, y = int(at[0]), int(at[1])
    if decoding == "quarter_offset" and 1 < x < width - 1 and 1 < y < height - 1:
        slope = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
        at += np.sign(slope) * 0.25
    if decoding == "dark" and 1 < x < width - 2 and 1 < y < height - 2:
        border = kernel // 2
        wide = np.pad(heatmap.astype(np.float64), border)
        blurred = cv2.GaussianBlur(wide, (kernel, kernel), 0)[border:-border, border:-border]
        log = np.log(np.maximum(blurred * (peak / blurred.max()), 1e-10))
        gradient = [(log[y, x + 1] - log[y, x - 1]) / 2, (log[y + 1, x] - log[y - 1, x]) / 2]
        dxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
        dyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
        dxy = log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]
        hessian = np.array([[dxx, dxy / 4], [dxy / 4, dyy]])
        if np.linalg.det(hessian) != 0:
            at -= np.linalg.inv(hessian) @ gradient
    return at


@pytest.mark.parametrize("kernel", [3, 5, 7, 9, 11, 13, 17])
@pytest.mark.parametrize("decoding", ["argmax", "quarter_offset", "dark"])
def test_decoding_is_the_official_one(decoding: Any, kernel: int) -> None:
    codec = HeatmapCodec(decoding=decoding, blur_kernel=kernel)
    maps = noisy(seed=kernel)
    decoded = codec.decode([{"heatmaps": maps}], FIELD)  # input of the field's size: in cells
    expected = [[official_decoding(m, decoding, kernel) for m in person] for person in maps.numpy()]
    np.testing.assert_allclose(decoded.keypoints_input.numpy(), expected, atol=1e-4)
    np.testing.assert_array_equal(decoded.scores.numpy(), maps.amax((2, 3)).numpy())


def test_dark_where_the_floor_of_the_logarithm_counts() -> None:
    """One bright cell on nothing: blurred cells fall below 1e-10, the scale matters."""
    maps = torch.full((1, 2, 64, 48), -1e-4)
    maps[0, 0, 20, 15], maps[0, 0, 21, 15] = 1.0, 0.4
    maps[0, 1, 30, 30], maps[0, 1, 31, 32] = 3e-10, 2e-10
    for kernel in (3, 11):
        codec = HeatmapCodec(decoding="dark", blur_kernel=kernel)
        got = codec.decode([{"heatmaps": maps}], FIELD).keypoints_input[0].numpy()
        expected = [official_decoding(m, "dark", kernel) for m in maps[0].numpy()]
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(9, 7), (5, 5), (3, 3)])
def test_maps_smaller_than_the_blur(size: tuple[int, int]) -> None:
    maps = noisy(3, (4, 3, size[1], size[0]))
    decoded = DARK.decode([{"heatmaps": maps}], size).keypoints_input
    expected = [[official_decoding(m, "dark", 11) for m in person] for person in maps.numpy()]
    np.testing.assert_allclose(decoded.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("decoding", ["argmax", "quarter_offset", "dark"])
def test_heatmaps_that_are_not_finite_do_no_harm(decoding: Any) -> None:
    maps = noisy(0)
    maps[0, 0], maps[1, 1, 30, 20], maps[2, 2, 30, 20] = float("nan"), float("nan"), float("inf")
    decoded = HeatmapCodec(decoding=decoding).decode([{"heatmaps": maps}], SIZE)
    assert torch.isfinite(decoded.keypoints_input).all()
    assert decoded.scores[0, 0] == decoded.scores[1, 1] == decoded.scores[2, 2] == 0
    untouched = HeatmapCodec(decoding=decoding).decode([{"heatmaps": noisy(0)}], SIZE)
    assert torch.equal(decoded.keypoints_input[3:], untouched.keypoints_input[3:])


@pytest.mark.contract
@pytest.mark.parametrize("codec", [STANDARD, HeatmapCodec(decoding="argmax"), DARK], ids=str)
def test_decoding_exports_with_any_batch_size(codec: HeatmapCodec) -> None:
    class Network(torch.nn.Module):
        def forward(self, heatmaps: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(codec.decode([{"heatmaps": heatmaps}], SIZE))

    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(Network(), (noisy(0)[:3],), dynamic_shapes=({0: batch},))
    for seed, count in ((1, 1), (2, 6)):
        maps = noisy(seed)[-count:]
        for got, expected in zip(
            program.module()(maps), codec.decode([{"heatmaps": maps}], SIZE), strict=True
        ):
            torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_mirroring_twice_is_the_identity_and_the_shift_keeps_the_first_column(
    skeleton: Skeleton,
) -> None:
    field = [{"heatmaps": torch.rand(2, len(skeleton.keypoints), 8, 6)}]
    unshifted = HeatmapCodec(flip_shift=False)
    twice = unshifted.mirror(unshifted.mirror(field, skeleton), skeleton)
    assert torch.equal(twice[0]["heatmaps"], field[0]["heatmaps"])
    plain = unshifted.mirror(field, skeleton)[0]["heatmaps"]
    shifted = STANDARD.mirror(field, skeleton)[0]["heatmaps"]
    assert torch.equal(shifted[..., 1:], plain[..., :-1])
    assert torch.equal(shifted[..., 0], plain[..., 0])
    assert torch.equal(DARK.mirror(field, skeleton)[0]["heatmaps"], plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("codec", [STANDARD, DARK], ids=str)
def test_a_gpu_gives_what_the_cpu_gives(codec: HeatmapCodec) -> None:
    given, maps = batch_of(points()), noisy(0)
    there = Batch(*(tensor.cuda() for tensor in given))
    target, weight = codec.encode(given, NETWORK, SIZE)[0]["heatmaps"]
    on_gpu = codec.encode(there, NETWORK, SIZE)[0]["heatmaps"]
    torch.testing.assert_close((target, weight), tuple(t.cpu() for t in on_gpu))
    decoded = codec.decode([{"heatmaps": maps.cuda()}], SIZE)
    assert decoded.keypoints_input.is_cuda
    expected = codec.decode([{"heatmaps": maps}], SIZE)
    torch.testing.assert_close(tuple(t.cpu() for t in decoded), tuple(expected))


def test_merge_is_the_mean() -> None:
    a, b = ([{"heatmaps": torch.full((1, 1, 2, 2), v)}] for v in (1.0, 4.0))
    assert float(STANDARD.merge(a, b)[0]["heatmaps"].mean()) == 2.5


@pytest.mark.parametrize("codec", [STANDARD, DARK], ids=str)
def test_dark_reads_unbiased_fields_to_a_hundredth_of_a_cell(codec: HeatmapCodec) -> None:
    given = batch_of(points(margin=20))
    fields = codec.paint(codec.encode(given, NETWORK, SIZE))
    away = (codec.decode(fields, SIZE).keypoints_input - given.keypoints_input).abs().max() / 4
    assert float(away) < (0.01 if codec.unbiased else 0.51)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": 0.0}, "sigma: given 0.0"),
        ({"sigma": float("nan")}, "sigma"),
        ({"decoding": "drak"}, "decoding: given 'drak', accepted: argmax, quarter_offset, dark"),
        ({"blur_kernel": 4}, "blur_kernel: given 4, accepted: an odd number"),
        ({"blur_kernel": 1}, "blur_kernel"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        HeatmapCodec(**options)
    assert said in str(error.value)


def test_channels_and_alignment_follow() -> None:
    assert STANDARD.channels(COCO) == {"heatmaps": 17}
    assert (STANDARD.aligned, DARK.aligned) == (False, True)


def hits_in_loops(painted: np.ndarray, target: np.ndarray, weight: np.ndarray) -> list[float]:
    """[sum of shares, keypoints], map by map as HRNet's code compares them: [B, K, h, w]."""
    height, width = target.shape[2:]
    shares = []
    for k in range(target.shape[1]):
        found = []
        for n in np.flatnonzero(weight[:, k] > 0):
            row, column = np.unravel_index(painted[n, k].argmax(), (height, width))
            row_0, column_0 = np.unravel_index(target[n, k].argmax(), (height, width))
            x, y = (column - column_0) / (height / 10), (row - row_0) / (width / 10)
            found.append(np.hypot(x, y) < 0.5)
        shares += [np.mean(found)] if found else []
    return [float(np.sum(shares)), float(len(shares))]


@pytest.mark.parametrize("moved", [0, 4, 16])
def test_hits_are_those_of_hrnets_accuracy(moved: int) -> None:
    """Painted maps are those of keypoints up to so many input pixels away, some not labelled."""
    at = points(count=6)
    visibility = torch.full((6, 17), 2)
    visibility[:, 3], visibility[2] = 0, 0
    targets = STANDARD.encode(batch_of(at, visibility), NETWORK, SIZE)
    away = torch.rand(6, 17, 2, generator=torch.Generator().manual_seed(1)) * 2 * moved - moved
    stages = STANDARD.paint(STANDARD.encode(batch_of(at + away), NETWORK, SIZE))
    target, weight = targets[0]["heatmaps"]
    expected = hits_in_loops(
        stages[0]["heatmaps"].numpy(), target.numpy(), weight[..., 0, 0].numpy()
    )
    assert STANDARD.hits(stages, targets).tolist() == pytest.approx(expected, rel=1e-12)
    assert expected[1] == 16 and (expected[0] == 16) == (moved < 16)


def test_no_labelled_keypoint_is_no_hit() -> None:
    targets = STANDARD.encode(batch_of(points(), torch.zeros(8, 17).long()), NETWORK, SIZE)
    assert STANDARD.hits(STANDARD.paint(targets), targets).tolist() == [0.0, 0.0]
