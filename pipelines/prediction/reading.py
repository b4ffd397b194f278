"""The poses that a trained network reads: of a split's images, or of any others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from data.feeds.loader import plainly
from pipelines.host.processes import usable_cores
from pipelines.host.progress import watched
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feed import Feed
from pipelines.prediction.poses import ByImage
from pipelines.prediction.predictor import predict, predict_both
from pipelines.prediction.split import split_feed, split_place
from pipelines.prediction.trained import Trained


def trained_feed(trained: Trained, boxes: Boxes | None, files: Mapping[int, Path]) -> Feed:
    """Of a trained network: images by id, and people's boxes where its codec wants them."""
    recipe = trained.recipe
    return split_feed(recipe, trained.codec, split_place(recipe), boxes, files)


def read_poses(
    trained: Trained, boxes: Boxes | None, files: Mapping[int, Path], *, both: bool
) -> list[ByImage]:
    """Poses per image id: with flip test, and before it without, if `both`.

    From boxes, after OKS-NMS; without boxes (bottom-up) from whole images.
    """
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    feed, device = trained_feed(trained, boxes, files), trained.device
    workers = min(8, usable_cores()) if device.type == "cuda" else 0
    batches = plainly(feed.batches(feed.groups(feed.most[device.type]), workers))
    what = (network, trained.codec, trained.skeleton, watched(batches, len(feed.ids)), device)
    pixels = trained.recipe.pixels
    if both:
        return [feed.poses(each) for each in predict_both(*what, pixels=pixels)]
    return [feed.poses(predict(*what, pixels=pixels, flip_test=True))]
