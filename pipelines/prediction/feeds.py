"""What a network is fed with, in batches: crops of boxes or whole images, as its codec asks for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from data import DATASETS
from data.feeds.loader import build_loader
from data.feeds.person_crops import BoxDataset, TopDownDataset, collate
from data.feeds.person_views import PersonViewDataset
from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import WholeImageDataset, collate_whole
from data.ground.sample import Batch, WholeBatch
from data.views.settings import PersonCropAugmentation
from pipelines.host import places
from pipelines.host.processes import usable_cores
from pipelines.intake.prepared import image_sizes
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.trained import Trained
from pipelines.recipe.schema import Recipe

FEEDS: dict[bool, Any] = {False: TopDownDataset, True: WholeImageDataset}
BATCH = {"cuda": 128, "cpu": 32}
WHOLE_BATCH = {"cuda": 16, "cpu": 4}
WHOLE_FEEDS: dict[bool, Any] = {False: TopDownDataset, True: WholeImageDataset}
BATCH = {"cuda": 16, "cpu": 4}


@dataclass(frozen=True)
class Samples:
    """A split's samples, how they become a batch, and what their rows are called outside.

    ids [N]: person ids of crops and views around people, image ids of whole images.
    """

    dataset: Dataset[Any]
    collate: Callable[[Sequence[Any]], Any]
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, count: int) -> Batch | WholeBatch:
        """The first samples as a batch."""
        batch: Batch | WholeBatch = self.collate([self.dataset[n] for n in range(count)])
        return batch


def samples_of(
    recipe: Recipe, codec: Any, prepared: Path, raw: Path, split: str, *, augmented: bool
) -> Samples:
    """Of a prepared split; `augmented`: as the recipe trains on them, else plainly cut."""
    size, seed = (recipe.input_size[0], recipe.input_size[1]), recipe.seed
    skeleton = DATASETS[recipe.dataset].SKELETON
    changes: Any = recipe.augmentation if augmented else None
    place = (prepared, raw, split, size, skeleton)
    if isinstance(changes, PersonCropAugmentation):
        views = PersonViewDataset(*place, augmentation=changes, seed=seed)
        return Samples(views, collate_whole, views.people.persons["person_id"][views.rows])
    if codec.whole_image:
        given = {"augmentation": changes, "seed": seed, "resize": codec.resize}
        whole = WholeImageDataset(*place, **given)
        return Samples(whole, collate_whole, whole.people.images["image_id"][whole.rows])
    crops = TopDownDataset(*place, aligned=codec.aligned, augmentation=changes, seed=seed)
    return Samples(crops, collate, crops.persons["person_id"])


def whole(trained: Trained, files: Mapping[int, Path]) -> Iterator[WholeBatch]:
    """All images whole, those of one size together."""
    recipe = trained.recipe
    known = image_sizes(places.prepared(recipe.dataset), recipe.evaluation.split)
    sizes = [known.get(image_id, (0, n)) for n, image_id in enumerate(files)]  # unknown: alone
    batches = same_size_batches(sizes, WHOLE_BATCH[trained.device.type])
    workers = min(8, usable_cores()) if trained.device.type == "cuda" else 0
    loader = whole_batches(recipe, trained.codec, list(files.values()), batches, workers)
    return watched(loader, len(files))


def crops(trained: Trained, boxes: Boxes, files: Mapping[int, Path]) -> Iterator[Batch]:
    """One crop per box, in batches, in the boxes' order."""
    paths = [files[int(image_id)] for image_id in boxes.image_id]
    dataset = BoxDataset(paths, boxes.box_image, trained.input_size, trained.codec.aligned)
    workers = min(8, usable_cores()) if trained.device.type == "cuda" else 0
    loader = build_loader(dataset, range(len(boxes)), BATCH[trained.device.type], workers)
    return watched(loader, len(boxes))


def watched(batches: Iterable[Any], total: int, every: float = 10.0) -> Iterator[Any]:
    """The batches, with a line of progress every so many seconds."""
    started = last = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.sample_id)
        now = time.monotonic()
        if now - last > every:
            last, rate = now, done / (now - started)
            left = (total - done) / rate
            print(f"  {done}/{total}, {rate:.0f}/s, {left:.0f} s left", file=sys.stderr)


def same_size_batches(sizes: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """Rows in batches of at most `most`, each of images of one size, in the order of sizes."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, size in enumerate(sizes):
        groups.setdefault(size, []).append(row)
    return [
        rows[start : start + most]
        for rows in (groups[size] for size in sorted(groups))
        for start in range(0, len(rows), most)
    ]


def whole_batches(
    recipe: Recipe, codec: Any, paths: Sequence[Path], batches: Sequence[list[int]], workers: int
) -> Any:
    """`WholeBatch`es of the rows of `paths` that each of `batches` names, at all scales."""
    size, scales = min(recipe.input_size), recipe.evaluation.scales
    dataset = ResizedDataset(paths, codec.resize, size, scales)
    return build_loader(dataset, batches=batches, workers=workers, collate=collate_whole)
