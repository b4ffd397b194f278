"""Whole images, for networks that find everyone at once (bottom-up)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from data.feeds.image_people import ImagePeople
from data.feeds.loader import build_loader
from data.feeds.person_views import PersonViewDataset
from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import WholeImageDataset, WholeItem, collate_whole
from data.ground.codec import Codec
from data.ground.data_set import DataSet
from data.ground.sample import Batch, WholeBatch
from data.views.geometry import invert, move
from data.views.settings import Augmentation, PersonCropAugmentation
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.feed import Feed, Samples, SplitPlace
from pipelines.prediction.poses import ByImage, people_by_image
from pipelines.prediction.readout import Predictions
from pipelines.recipe.datasets import data_set
from pipelines.recipe.schema import Recipe


class ImageFeed(Feed):
    """All images, in batches of one size; boxes, where given, are none of its business."""

    protocol: ClassVar[str] = "image"
    most: ClassVar[Mapping[str, int]] = {"cuda": 16, "cpu": 4}
    validated: ClassVar[int] = 8
    tried: ClassVar[int] = 4

    def __init__(
        self,
        recipe: Recipe,
        codec: Codec,
        files: Mapping[int, Path],
        boxes: Boxes | None,
        sizes: Mapping[int, tuple[int, int]],
    ) -> None:
        self.recipe, self.codec = recipe, codec
        self.boxes = None
        self.ids, self.paths = list(files), list(files.values())
        self._sizes = [sizes.get(image_id, (0, n)) for n, image_id in enumerate(files)]  # alone

    @staticmethod
    def samples(recipe: Recipe, codec: Codec, place: SplitPlace, *, augmented: bool) -> Samples:
        """With a `person_crop` augmentation: views around one person after another."""
        skeleton = data_set(recipe.dataset).SKELETON
        split = (place.prepared, place.raw, place.split, recipe.size, skeleton)
        changes = recipe.augmentation if augmented else None
        assert not isinstance(changes, Augmentation), "check_recipe: whole images have a view"
        settings: dict[str, Any] = {"seed": recipe.seed, "tiles": place.tiles}
        if isinstance(changes, PersonCropAugmentation):
            views = PersonViewDataset(*split, augmentation=changes, **settings)
            return Samples(views, collate_whole, views.people.persons["person_id"][views.rows])
        whole = WholeImageDataset(*split, augmentation=changes, resize=codec.resize, **settings)
        return Samples(whole, collate_whole, whole.people.images["image_id"][whole.rows])

    @staticmethod
    def box_sets(
        data_set: DataSet, codec: Codec, place: SplitPlace, known: Collection[int]
    ) -> dict[str, Boxes | None]:
        """Protocol `image`: no boxes."""
        return {"image": None}

    def groups(self, most: int) -> list[list[int]]:
        return same_size_groups(self._sizes, most)

    def batches(self, groups: Sequence[Sequence[int]], workers: int = 0) -> Iterable[Any]:
        """Each image at all scales of the recipe's evaluation."""
        scales = self.recipe.evaluation.scales
        return build_loader(
            self._resized(scales), batches=groups, workers=workers, collate=collate_whole
        )

    def labelled(self, place: SplitPlace) -> Iterator[Batch | WholeBatch]:
        """One image at a time, each at its own size."""
        people = ImagePeople(place.prepared, place.raw, place.split)
        dataset = self._resized((1.0,))
        for row in range(len(dataset)):
            yield collate_whole([with_people(dataset[row], *people.poses(row))])

    def poses(self, predictions: Predictions) -> ByImage:
        return people_by_image(predictions, self.ids)

    def _resized(self, scales: Sequence[float]) -> ResizedDataset:
        size = min(self.recipe.input_size)
        return ResizedDataset(self.paths, self.codec.resize, size, scales)


def with_people(item: WholeItem, keypoints_image: np.ndarray, seen: np.ndarray) -> WholeItem:
    """An item with people of its image: [N, K, 2] in image pixels, visibility [N, K]."""
    moved = move(invert(item.to_image), keypoints_image).astype(np.float32)
    return item._replace(keypoints_input=moved, visibility=seen)


def same_size_groups(sizes: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """Rows in groups of at most `most`, each of images of one size, in the order of sizes."""
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row, size in enumerate(sizes):
        rows_of.setdefault(size, []).append(row)
    return [
        rows[start : start + most]
        for rows in (rows_of[size] for size in sorted(rows_of))
        for start in range(0, len(rows), most)
    ]
