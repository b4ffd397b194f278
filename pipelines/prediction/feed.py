"""What a feed is: images, and people's boxes where a codec wants them, as batches for a network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from torch.utils.data import Dataset

from data.ground.codec import Codec
from data.ground.data_set import DataSet
from data.ground.sample import Batch, WholeBatch
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.poses import ByImage
from pipelines.prediction.readout import Predictions
from pipelines.recipe.schema import Recipe


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

    def batch(self, rows: Iterable[int]) -> Batch | WholeBatch:
        """Those samples as one batch."""
        made: Batch | WholeBatch = self.collate([self.dataset[row] for row in rows])
        return made

    def first(self, count: int) -> Batch | WholeBatch:
        """The first samples as a batch."""
        return self.batch(range(count))


@dataclass(frozen=True)
class SplitPlace:
    """A prepared split on disk: folder of tables, what image paths are relative to, its name;
    tiles: folder of its photos in pieces, from which the same pixels are read faster."""

    prepared: Path
    raw: Path
    split: str
    tiles: Path | None = None


class Feed(Protocol):
    """Images as one kind of network sees them; photos, videos or a detector only hand in others.

    protocol: of the truth's own people; most: images or crops of a batch by kind of device;
    validated: of a batch while training; tried: how many an export is held against. ids, paths:
    image id and file of each row; boxes: None where whole images are fed.
    """

    protocol: ClassVar[str]
    most: ClassVar[Mapping[str, int]]
    validated: ClassVar[int]
    tried: ClassVar[int]
    ids: Sequence[int]
    paths: Sequence[Path]
    boxes: Boxes | None

    def __init__(
        self,
        recipe: Recipe,
        codec: Codec,
        files: Mapping[int, Path],
        boxes: Boxes | None,
        sizes: Mapping[int, tuple[int, int]],
    ) -> None:
        """files: image id -> file; sizes: (width, height) by image id, as far as they are known."""

    @staticmethod
    def samples(recipe: Recipe, codec: Codec, place: SplitPlace, *, augmented: bool) -> Samples:
        """What a recipe learns from; `augmented`: as it trains on them, else plainly cut."""
        raise NotImplementedError

    @staticmethod
    def box_sets(
        data_set: DataSet, codec: Codec, place: SplitPlace, known: Collection[int]
    ) -> dict[str, Boxes | None]:
        """By protocol the people that a split is scored from; `known`: ids of its images."""
        raise NotImplementedError

    def groups(self, most: int) -> list[list[int]]:
        """Rows in batches of at most `most`, all rows once."""
        raise NotImplementedError

    def batches(self, groups: Sequence[Sequence[int]], workers: int = 0) -> Iterable[Any]:
        """A `Batch` or `WholeBatch` of each group of rows, without what is to be found there."""
        raise NotImplementedError

    def labelled(self, place: SplitPlace) -> Iterator[Batch | WholeBatch]:
        """The split as it is tested, in order, with its labelled people: for what truth writes."""
        raise NotImplementedError

    def poses(self, predictions: Predictions) -> ByImage:
        """People by image, best first, as the recipe's evaluation scores them."""
        raise NotImplementedError
