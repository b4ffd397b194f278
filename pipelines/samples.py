"""What a recipe learns from: crops of persons or whole images, as its codec asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from data import DATASETS
from data.loader import TopDownDataset, collate
from data.person_crops import PersonCropAugmentation
from data.person_views import PersonViewDataset
from data.sample import Batch, WholeBatch
from data.whole_image import WholeImageDataset, collate_whole
from pipelines.recipe import Recipe


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
