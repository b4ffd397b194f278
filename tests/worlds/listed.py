"""Samples that a test writes down, as the tables that `prepare` would make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask

from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton, load_skeleton
from pipelines.intake.splits import read_split
from pipelines.intake.tables import write_split


@dataclass(frozen=True)
class Listed:
    """A data set of one split, of the samples in hand."""

    listed: Sequence[Sample]
    SKELETON: Skeleton

    def samples(self, root: Path, split: str, reject: Reject) -> Iterator[Sample]:
        yield from self.listed

    def truth_file(self, root: Path, split: str) -> Path:
        return root / f"{split}.json"


def write_tables(prepared: Path, module: Any, raw: Path, split: str) -> list[Rejected]:
    """prepared/<split>: the tables of a data set's split; the rows that are left out."""
    checked = read_split(module, "a test's", split, raw)
    write_split(prepared / split, checked, module.SKELETON)
    return checked.rejected


def write_listed(root: Path, samples: Sequence[Sample], split: str = "train") -> None:
    """root/<split>: tables of COCO's people on images below `root`, none of them left out."""
    rejected = write_tables(root, Listed(samples, load_skeleton("coco")), root, split)
    assert not rejected, rejected


def pose(number: int, box: Sequence[float], keypoints: np.ndarray, seen: np.ndarray) -> Pose:
    """A person whose tables hold `box` (x, y, w, h): prepare takes a pixel off its width and
    height, as COCO's loaders do."""
    x, y, w, h = (float(side) for side in box)
    return Pose(keypoints, seen, (x, y, w + 1, h + 1), w * h, id=number)


def crowd(size: tuple[int, int], box: tuple[int, int, int, int]) -> tuple[Pose, object]:
    """A crowd over the pixels of `box` (x, y, w, h) of an image of `size`, and its region."""
    x, y, w, h = box
    covered = np.zeros((size[1], size[0]), np.uint8, order="F")
    covered[y : y + h, x : x + w] = 1
    region = {"size": [size[1], size[0]], "counts": mask.encode(covered)["counts"].decode()}
    nobody = Pose(np.zeros((17, 2)), np.zeros(17, np.int64), box, w * h, is_crowd=True)
    return nobody, region
