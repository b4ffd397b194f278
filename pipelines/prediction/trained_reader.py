"""A network of ours, run by torch, as what reads images at hand."""

from __future__ import annotations

import numpy as np
import torch

from data.ground.sample import Batch
from pipelines.prediction.crop_feed import CropFeed
from pipelines.prediction.crop_reader import CropReader, Cut
from pipelines.prediction.image_feed import ImageFeed
from pipelines.prediction.image_reader import Fed, ImageReader
from pipelines.prediction.predictor import Painter
from pipelines.prediction.reader import PoseReader
from pipelines.prediction.trained import Trained


def trained_reader(
    trained: Trained, name: str, digest: str, flip_test: bool | None = None
) -> PoseReader:
    """As the recipe's evaluation reads; flip_test: None, as the recipe says."""
    recipe, codec, skeleton = trained.recipe, trained.codec, trained.skeleton
    evaluation, device = recipe.evaluation, trained.device
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    flip = evaluation.flip_test if flip_test is None else flip_test
    settings = (device, recipe.pixels, (flip,), "fp32")
    painter = Painter(network.eval(), codec, skeleton, *settings)
    threshold = evaluation.keypoint_threshold
    if codec.whole_image:
        size, scales = min(recipe.input_size), tuple(evaluation.scales)
        fed = Fed(size, scales, threshold, ImageFeed.most[device.type])
        return ImageReader(name, digest, skeleton, codec, fed, painter.paint)
    most, nms = CropFeed.most[device.type], evaluation.nms_threshold
    cut = Cut(recipe.size, codec.aligned, threshold, nms, most=most)
    return CropReader(name, digest, skeleton, cut, _Crops(painter, recipe.size))


class _Crops:
    """A painter and its codec as a `CropNetwork`."""

    def __init__(self, painter: Painter, input_size: tuple[int, int]) -> None:
        self.painter, self.input_size = painter, input_size

    @torch.inference_mode()
    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        none = torch.zeros(0)
        stages = self.painter.paint(Batch(torch.from_numpy(crops), none, none, none, none))[0]
        decoded = self.painter.codec.decode(stages, self.input_size)
        return decoded.keypoints_input.cpu().numpy(), decoded.scores.cpu().numpy()
