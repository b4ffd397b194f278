"""The poses that a trained network reads: of a split's images, or of any others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from data.ground.codec import Codec
from pipelines.host import places
from pipelines.host.processes import usable_cores
from pipelines.host.progress import watched
from pipelines.intake.prepared import image_files, image_sizes
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feed import Feed, SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.poses import ByImage
from pipelines.prediction.predictor import predict, predict_both
from pipelines.prediction.trained import Trained
from pipelines.recipe.schema import Recipe


def split_place(recipe: Recipe) -> SplitPlace:
    """Where the split lies that a recipe is evaluated on."""
    dataset = recipe.dataset
    return SplitPlace(places.prepared(dataset), places.raw(dataset), recipe.evaluation.split)


def split_feed(
    recipe: Recipe,
    codec: Codec,
    place: SplitPlace,
    boxes: Boxes | None,
    files: Mapping[int, Path] | None = None,
) -> Feed:
    """All images of the split (or those of `files` alone), and people's boxes where wanted."""
    images = image_files(place.prepared, place.raw, place.split) if files is None else files
    sizes = image_sizes(place.prepared, place.split)
    return feed_kind(codec)(recipe, codec, images, boxes, sizes)


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
    batches = feed.batches(feed.groups(feed.most[device.type]), workers)
    what = (network, trained.codec, trained.skeleton, watched(batches, len(feed.ids)), device)
    pixels = trained.recipe.pixels
    if both:
        return [feed.poses(each) for each in predict_both(*what, pixels=pixels)]
    return [feed.poses(predict(*what, pixels=pixels, flip_test=True))]
