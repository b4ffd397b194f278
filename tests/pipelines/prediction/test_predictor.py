"""Crops in, poses in image pixels out: frames, flip test, scores, suppression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.codecs.heatmap import HeatmapCodec
from data.ground.sample import Batch, Output, Pose
from data.ground.skeleton import load_skeleton
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.pixels import normalise
from pipelines.prediction.poses import poses_by_image, suppress, to_poses, view_areas
from pipelines.prediction.predictor import predict, predict_both
from pipelines.prediction.readout import Predictions
from pipelines.recipe.schema import Evaluation, Pixels

COCO = load_skeleton("coco")

SIZE = (96, 128)
PIXELS: Pixels = "imagenet_rgb"
K = len(COCO.keypoints)


class Painter(nn.Module):
    """Paints what it was given, mirrored where the image's left column is dark."""

    def __init__(self, heatmaps: Tensor) -> None:
        super().__init__()
        self.heatmaps, self.calls = heatmaps, 0
        self.mirrored = heatmaps[:, COCO.mirror].flip(3)

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        self.calls += 1
        bright_left = images[0, 0, 0, 0] > images[0, 0, 0, -1]
        return [{"heatmaps": self.heatmaps if bright_left else self.mirrored}]


def batch_of(keypoints_input: Tensor, to_image: Tensor) -> Batch:
    images = torch.zeros(len(keypoints_input), SIZE[1], SIZE[0], 3, dtype=torch.uint8)
    images[:, :, 0] = 255
    visibility = torch.full(keypoints_input.shape[:2], 2)
    ids = torch.arange(len(keypoints_input)) + 7
    return Batch(images, keypoints_input, visibility, ids, to_image)


@pytest.fixture
def case() -> tuple[Painter, HeatmapCodec, Batch, np.ndarray]:
    """A network that paints exactly the batch's keypoints, and where they lie in the image."""
    generator = torch.Generator().manual_seed(3)
    keypoints = torch.rand(2, K, 2, generator=generator) * torch.tensor([70.0, 100.0]) + 12
    to_image = torch.tensor([[[2.0, 0.0, 30.0], [0.0, 2.0, -5.0]], [[0.0, -1.0, 9], [1.0, 0, 4]]])
    batch = batch_of(keypoints, to_image.double())
    codec = HeatmapCodec(sigma=2.0, unbiased=True, decoding="dark", blur_kernel=3)
    targets = codec.encode(batch, [{"heatmaps": Output(K, 4)}], SIZE)
    painter = Painter(codec.paint(targets)[0]["heatmaps"])
    matrix = batch.to_image.numpy()
    points = batch.keypoints_input.double().numpy()
    image = np.einsum("bij,bkj->bki", matrix[:, :, :2], points) + matrix[:, None, :, 2]
    return painter, codec, batch, image


def test_normalise_is_to_tensor_and_imagenet_normalisation() -> None:
    images = torch.randint(0, 256, (2, 4, 6, 3), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (images.permute(0, 3, 1, 2) / 255 - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(normalise(images, PIXELS), expected)
    swapped = normalise(images.flip(3), "imagenet_bgr")
    torch.testing.assert_close(swapped, expected)
    plain = normalise(images, "openpose_bgr")
    blue = (images[..., 2].float() - 128) / 256
    torch.testing.assert_close(plain[:, 0], blue)


def test_poses_arrive_in_image_pixels(case: tuple) -> None:
    painter, codec, batch, keypoints_image = case
    found = predict(painter, codec, COCO, [batch], "cpu", pixels=PIXELS, flip_test=False)
    assert np.abs(found.keypoints_image - keypoints_image).max() < 0.6
    assert found.keypoints_image.dtype == np.float64
    assert found.sample_id.tolist() == [7, 8] and found.scores.shape == (2, K)
    assert painter.calls == 1


def test_flip_test_of_a_mirror_symmetric_network_changes_nothing(case: tuple) -> None:
    painter, codec, batch, _ = case
    plain, flipped = predict_both(painter, codec, COCO, [batch], "cpu", pixels=PIXELS)
    assert painter.calls == 2, "once plain, once mirrored, for both answers"
    np.testing.assert_allclose(flipped.keypoints_image, plain.keypoints_image, atol=1e-3)
    again = predict(painter, codec, COCO, [batch], "cpu", pixels=PIXELS, flip_test=True)
    np.testing.assert_array_equal(again.keypoints_image, flipped.keypoints_image)


def test_batches_are_joined_in_order_and_the_mode_comes_back(case: tuple) -> None:
    painter, codec, batch, _ = case
    painter.train()
    found = predict(painter, codec, COCO, [batch, batch], "cpu", pixels=PIXELS, flip_test=False)
    assert found.sample_id.tolist() == [7, 8, 7, 8]
    assert painter.training
    nothing = predict(painter, codec, COCO, [], "cpu", pixels=PIXELS, flip_test=True)
    assert nothing.keypoints_image.shape == (0, K, 2)


def test_mixed_precision_decodes_in_float32() -> None:
    seen: list[torch.dtype] = []

    class Watched(HeatmapCodec):
        def decode(self, stages, input_size):  # type: ignore[no-untyped-def]
            seen.append(stages[0]["heatmaps"].dtype)
            return super().decode(stages, input_size)

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, K, 4, 4)

        def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
            field = self.conv(images)
            seen.append(field.dtype)
            return [{"heatmaps": field}]

    identity = torch.eye(2, 3, dtype=torch.float64)[None]
    batch = batch_of(torch.zeros(1, K, 2), identity)
    predict(
        Small(), Watched(), COCO, [batch], "cpu", pixels=PIXELS, flip_test=False, precision="bf16"
    )
    assert seen == [torch.bfloat16, torch.float32]


def test_person_score_is_box_score_times_mean_of_sure_keypoints() -> None:
    scores = np.array([[0.1, 0.19, 0.5, 0.9], [0.1, 0.0, 0.15, 0.19]], dtype=np.float32)
    found = Predictions(np.array([0, 1]), np.zeros((2, 4, 2)), scores, np.full(2, np.nan))
    boxes = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    poses = to_poses(found, boxes, np.array([0.5, 1.0]), np.array([10.0, 20.0]), threshold=0.2)
    assert poses[0].score == pytest.approx(0.5 * np.mean([0.5, 0.9]), abs=1e-6)
    assert poses[1].score == 0.0
    assert poses[1].box_image == (5.0, 6.0, 7.0, 8.0) and poses[1].area == 20.0


def person(shift: float, score: float) -> Pose:
    grid = np.stack([np.arange(K) * 10.0 + shift, np.arange(K) * 5.0], axis=1)
    return Pose(grid, np.full(K, 2), area=20000.0, score=score, keypoint_scores=np.ones(K))


def test_near_duplicates_go_the_better_one_stays() -> None:
    poses = [person(0.5, 0.4), person(0.0, 0.9), person(80.0, 0.6)]
    assert suppress(poses, COCO.sigmas, 0.9) == [poses[1], poses[2]]
    assert suppress([], COCO.sigmas) == []


def test_suppression_stays_within_one_image() -> None:
    grid = np.stack([np.arange(K) * 10.0, np.arange(K) * 5.0], axis=1)
    found = Predictions(
        np.arange(3), np.stack([grid] * 3), np.full((3, K), 0.8, np.float32), np.full(3, np.nan)
    )
    box = np.tile([0.0, 0.0, 160.0, 80.0], (3, 1))
    boxes = Boxes(np.array([4, 9, 4]), box, np.array([0.3, 0.2, 0.7]))
    settings = Evaluation(evaluator="oks")
    groups = poses_by_image(found, boxes, SIZE, False, settings, COCO.sigmas)
    assert {i: [p.id for p in poses] for i, poses in groups.items()} == {4: [2], 9: [1]}


def test_areas_are_those_of_padded_views() -> None:
    # 40 x 40 is widened to the input's 3:4, then padded by 1.25 each way
    (area,) = view_areas(np.array([[10.0, 10.0, 40.0, 40.0]]), SIZE)
    assert area == pytest.approx(40 * (40 / 0.75) * 1.25**2)
