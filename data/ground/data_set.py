"""What a data set is: images with their people for training, and the official truth, untouched.

A new one is a class in `data/datasets/NAME.py`, one line of `data/datasets/menu.py` and its
entry in `params.yaml`. Members with a default here are those that a data set may leave out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton


@dataclass(frozen=True)
class Archive:
    """A zip below an address: its name there, its size in bytes, its digest (`md5:...`)."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Layout:
    """The files of a data set below its root, as its official release has them.

    needed: of each tuple one file has to be there; optional: patterns; told: all of it in words.
    archives: zips that unpack to it; size and digest are those at the `official` host.
    """

    told: str
    folders: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    archives: tuple[Archive, ...] = ()
    official: str = ""


@dataclass(frozen=True)
class Counted:
    """Over how many images, or people, papers' numbers of a split are taken."""

    images: int = 0
    people: int = 0


# (what is made, how many) -> a context whose value is called after each
Counting = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True)
class Making:
    """What a data set that makes its files itself is given.

    folder: empty, to be filled; settings: its own in params.yaml, `where` they stand; members: the
    roots of its members, by name; counting: tells how far it is; home: where paths in the settings
    start.
    """

    folder: Path
    settings: Mapping[str, Any]
    where: str
    members: Mapping[str, Path]
    counting: Counting
    home: Path = Path()


@dataclass(frozen=True)
class Drawn:
    """Whom an epoch trains on: rows [M] of people, and what is added to the id of each [M]."""

    rows: np.ndarray
    added: np.ndarray


class Expected(Iterator[Sample]):
    """Samples one by one, and how many come at most, which `operator.length_hint` asks."""

    def __init__(self, samples: Iterator[Sample], most: int) -> None:
        self._samples, self._most = samples, most

    def __next__(self) -> Sample:
        return next(self._samples)

    def __length_hint__(self) -> int:
        return self._most


def accept(rejected: Rejected) -> None:
    """The default `reject`: unusable rows are left out without a word."""


class DataSet(Protocol):
    """`root` is the folder of the raw files; splits go by the names in SPLITS.

    SPLITS: the first is trained on; EVALUATORS: names on the menu that score it, its own first;
    LAYOUT: of the files that are fetched, None where it makes them; PUBLISHED: what papers count,
    per split; members: the data sets that it is made of, by name, the first one scored.
    """

    SKELETON: Skeleton
    SPLITS: tuple[str, ...]
    EVALUATORS: tuple[str, ...]
    LAYOUT: Layout | None = None
    PUBLISHED: Mapping[str, Counted] = {}
    members: Mapping[str, DataSet] = {}

    @abstractmethod
    def truth_file(self, root: Path, split: str) -> Path:
        """The official file that a split's truth is read from."""

    @abstractmethod
    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        """All images of a split with their people; unusable rows to `reject`, with reasons.

        Rows only: image files are not opened. Raises ValueError where a file of truth is missing,
        truncated or of another kind.
        """

    @abstractmethod
    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        """Everybody who is scored, per image id, untouched. Raises ValueError as `samples`."""

    def truth_files(self, root: Path, split: str) -> list[Path]:
        """All files that decide a split's truth, `truth_file` first."""
        return [self.truth_file(root, split)]

    def named_file(self, root: Path, split: str) -> Path:
        """The file that a user knows a split's truth by, for messages."""
        return self.truth_file(root, split)

    def detections_file(self, root: Path, split: str) -> Path | None:
        """A detector's boxes of people in COCO's json of results, where given."""
        return None

    def person_category(self, root: Path, split: str) -> int:
        """The category id of a person in its file of truth, which a detector's rows go by."""
        return 1

    def reads(self, home: Path) -> list[Path]:
        """The user's files and folders that `make` reads; paths in the settings start at `home`."""
        return []

    def check_truth(self, root: Path, split: str) -> None:
        """Raises ValueError where the file of truth that was fetched is not this data set's."""
        return

    def make(self, making: Making) -> None:
        """Fills `making.folder`, where there is no LAYOUT to fetch. ValueError for settings."""
        raise AssertionError(f"{type(self).__name__}: neither LAYOUT nor make")

    def check_weights(self, weights: object, where: str) -> dict[str, float]:
        """Of `weights:` in params.yaml, which stand at `where`; ValueError for wrong ones."""
        return {}

    def draw_people(
        self, root: Path, split: str, images: Sequence[Path], weights: Mapping[str, float]
    ) -> Drawn | None:
        """Of people in `images`, one each, whom an epoch trains on; None: everybody, once."""
        return None
