"""A prepared split as a network is fed with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from data.ground.codec import Codec
from pipelines.host import places
from pipelines.intake.prepared import check_truth, image_files, image_sizes
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feed import Feed, SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.recipe.schema import Recipe


def split_place(recipe: Recipe) -> SplitPlace:
    """Where the split lies that a recipe is evaluated on.

    Raises ValueError where its truth is not what was prepared.
    """
    dataset = recipe.dataset
    check_truth(dataset)
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
