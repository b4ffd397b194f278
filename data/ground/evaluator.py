"""What an evaluator is: poses of images in, numbers out, and what a bootstrap resamples.

A new one is a class in `data/evaluators/NAME.py`, one line of the menu in `data/menus.py`, and
its name in `EVALUATORS` of the data sets that it scores.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from data.ground.sample import Pose
from data.ground.skeleton import Skeleton


class Matches(Protocol):
    """What was found image by image: the main number follows for any resample of the images.

    `kind` names it on disk; image_ids [I] int64, ascending; positives [I]: what there is to find
    in each image.
    """

    kind: ClassVar[str]

    @property
    def image_ids(self) -> np.ndarray: ...

    @property
    def positives(self) -> np.ndarray: ...

    def save(self, path: Path) -> None: ...

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """The evaluator's main number [R], each image counted `weights` [R, I] times.

        Weights are whole numbers; NaN where nothing is to find.
        """
        ...

    def numbers(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """All numbers that follow from the matches [R] each, the main one first."""
        ...


class Evaluator(Protocol):
    """Collects poses per image; every image added counts, one without people too.

    main: the number that decides; names: of all numbers, as `result` has them; by_person: each
    prediction answers to a true person by `Pose.id`, else predictions have to be matched; falling:
    numbers of which less is better, which nothing can be chosen by.
    """

    main: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    by_person: ClassVar[bool] = False
    falling: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __init__(self, skeleton: Skeleton) -> None:
        """Raises ValueError for a skeleton that it cannot score."""

    @abstractmethod
    def add(self, image_id: int, predicted: Sequence[Pose], truth: Sequence[Pose]) -> None:
        """One image with all its predictions and annotations, once."""

    @abstractmethod
    def result(self) -> dict[str, float]:
        """Fractions of 1 by name (a falling one may be above); -1 where there is nothing to
        find."""

    @abstractmethod
    def matches(self) -> Matches:
        """What a bootstrap resamples."""

    def left_out(self) -> Mapping[str, int]:
        """People who could not be scored, by the reason in words; by default nobody."""
        return {}
