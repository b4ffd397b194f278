"""The poses that a trained network reads: from boxes, or from whole images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feeds import crops, whole
from pipelines.prediction.poses import ByImage, people_by_image, poses_by_image
from pipelines.prediction.predictor import predict, predict_both
from pipelines.prediction.trained import Trained


def read_poses(
    trained: Trained, boxes: Boxes | None, files: Mapping[int, Path], *, both: bool
) -> list[ByImage]:
    """Poses per image id: with flip test, and before it without, if `both`.

    From boxes, after OKS-NMS; without boxes (bottom-up) from whole images.
    """
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec, skeleton, size = trained.codec, trained.skeleton, trained.input_size
    boxes = boxes.of_images(files.keys()) if boxes else None
    batches = whole(trained, files) if boxes is None else crops(trained, boxes, files)
    given = (network, codec, skeleton, batches, trained.device)
    found = predict_both(*given) if both else (predict(*given, flip_test=True),)
    if boxes is None:
        return [people_by_image(predictions, list(files)) for predictions in found]
    settings = (size, codec.aligned, trained.recipe.evaluation, skeleton.sigmas)
    return [poses_by_image(predictions, boxes, *settings) for predictions in found]
