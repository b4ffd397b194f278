"""Crops of people's boxes, for networks that read one person at a time (top-down)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from data.feeds.loader import build_loader
from data.feeds.person_crops import BoxDataset, TopDownDataset, collate
from data.ground.codec import Codec
from data.ground.data_set import DataSet
from data.ground.refusal import refusal
from data.ground.sample import Batch, WholeBatch
from data.views.settings import Augmentation
from pipelines.intake.prepared import check_detections
from pipelines.prediction.boxes import Boxes, read_detections, truth_boxes
from pipelines.prediction.feed import Feed, Samples, SplitPlace
from pipelines.prediction.poses import ByImage, poses_by_image
from pipelines.prediction.readout import Predictions
from pipelines.recipe.datasets import data_set
from pipelines.recipe.schema import Recipe

LABELLED = 32  # of a batch that the truth writes


class CropFeed(Feed):
    """One crop per box, in the boxes' order. Raises ValueError where no boxes are given."""

    protocol: ClassVar[str] = "gt"
    most: ClassVar[Mapping[str, int]] = {"cuda": 128, "cpu": 32}
    validated: ClassVar[int] = 32
    tried: ClassVar[int] = 16

    def __init__(
        self,
        recipe: Recipe,
        codec: Codec,
        files: Mapping[int, Path],
        boxes: Boxes | None,
        sizes: Mapping[int, tuple[int, int]],
    ) -> None:
        if boxes is None:
            raise refusal(
                f"codec {recipe.codec.name}", fault="no boxes", accepted="people in boxes"
            )
        self.recipe, self.codec = recipe, codec
        self.boxes: Boxes = boxes.of_images(files.keys())
        self.ids = [int(image_id) for image_id in self.boxes.image_id]
        self.paths = [files[image_id] for image_id in self.ids]

    @staticmethod
    def samples(recipe: Recipe, codec: Codec, place: SplitPlace, *, augmented: bool) -> Samples:
        changes = recipe.augmentation
        assert isinstance(changes, Augmentation), "check_recipe: crops are changed as crops"
        dataset = TopDownDataset(
            place.prepared,
            place.raw,
            place.split,
            recipe.size,
            data_set(recipe.dataset).SKELETON,
            aligned=codec.aligned,
            augmentation=changes if augmented else None,
            seed=recipe.seed,
            tiles=place.tiles,
        )
        return Samples(dataset, collate, dataset.persons["person_id"])

    @staticmethod
    def box_sets(
        data_set: DataSet, codec: Codec, place: SplitPlace, known: Collection[int]
    ) -> dict[str, Boxes | None]:
        """`gt`, and `det` where the data set comes with a detector's boxes for this split."""
        boxes: dict[str, Boxes | None] = {
            "gt": truth_boxes(place.prepared, place.split, codec.aligned)
        }
        path = data_set.detections_file(place.raw, place.split)
        if path is not None:
            check_detections(place.raw, path)
            person = data_set.person_category(place.raw, place.split)
            boxes["det"] = read_detections(path, known, person)
        return boxes

    def groups(self, most: int) -> list[list[int]]:
        rows = range(len(self.boxes))
        return [list(rows[start : start + most]) for start in range(0, len(rows), most)]

    def batches(self, groups: Sequence[Sequence[int]], workers: int = 0) -> Iterable[Any]:
        boxes, aligned = self.boxes.box_image, self.codec.aligned
        dataset = BoxDataset(self.paths, boxes, self.recipe.size, aligned)
        return build_loader(dataset, batches=groups, workers=workers, collate=collate)

    def labelled(self, place: SplitPlace) -> Iterator[Batch | WholeBatch]:
        samples = self.samples(self.recipe, self.codec, place, augmented=False)
        rows = range(len(samples))
        for start in range(0, len(rows), LABELLED):
            yield samples.batch(rows[start : start + LABELLED])

    def poses(self, predictions: Predictions) -> ByImage:
        sigmas = data_set(self.recipe.dataset).SKELETON.sigmas
        settings = (self.recipe.size, self.codec.aligned, self.recipe.evaluation, sigmas)
        return poses_by_image(predictions, self.boxes, *settings)
