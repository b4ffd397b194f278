"""The page that a person looks at after prepare: some people of each split, as the tables are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.files.images import read_image
from data.files.table import Table
from data.ground.data_set import DataSet
from data.ground.sample import Pose
from pipelines.intake.prepared import person_pose
from pipelines.pictures.people import page_of_people, write_picture

PREVIEW_PEOPLE = (18, 9)  # of a data set's first split and of its second


def write_preview(path: Path, folder: Path, raw: Path, dataset: DataSet) -> None:
    """A page of people evenly from two splits, boxes and keypoints as the tables have them."""
    people = [
        person
        for name, count in zip(dataset.SPLITS, PREVIEW_PEOPLE, strict=False)
        for person in _some_people(folder / name, raw, name, count)
    ]
    write_picture(path, page_of_people(people, dataset.SKELETON))


def _some_people(
    folder: Path, raw: Path, split: str, count: int
) -> Iterator[tuple[np.ndarray, Pose, str]]:
    persons, images = Table(folder / "persons.arrow"), Table(folder / "images.arrow")
    for row in np.unique(np.linspace(0, len(persons) - 1, count).round().astype(int)):
        image = read_image(str(raw / images["path"][persons["image_row"][row]]))
        pose = person_pose(persons, row)
        yield image, pose, f"{split} {pose.id}"
