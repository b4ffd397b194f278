"""The skeleton on some labelled people, for the eye: are sides, limbs and names right?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.files.images import read_image
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.pictures.people import page_of_people, write_picture
from pipelines.survey.counts import box_of, people_of

PEOPLE = 10
ROOM = 0.05  # of the longer side, the least that a side of a shown box has


def write_samples(path: Path, labels: Labels, folder: Path, skeleton: Skeleton) -> int:
    """A page of PEOPLE people, evenly among all with keypoints; how many there are on it.

    Left is orange, right blue, the axis green; hidden keypoints are hollow; the first is large,
    with names. Images that cannot be read are passed over; without any nothing is written.
    """
    people = list(_some_people(labels, folder))
    if people:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, page_of_people(people, skeleton))
    return len(people)


def _some_people(labels: Labels, folder: Path) -> Iterator[tuple[np.ndarray, Pose, str]]:
    whole = [found for found in people_of(labels) if found[1].visibility.any()]
    rows = np.linspace(0, max(len(whole) - 1, 0), min(PEOPLE, len(whole))).round().astype(int)
    for image, person in (whole[row] for row in np.unique(rows)):
        try:
            picture = read_image(folder / image.file)
        except ValueError:
            continue
        yield picture, _pose(person), _title(image)


def _pose(person: LabelledPerson) -> Pose:
    x, y, width, height = box_of(person) or (0.0, 0.0, 1.0, 1.0)
    least = max(ROOM * max(width, height), 1.0)
    box = (x, y, max(width, least), max(height, least))
    return Pose(person.keypoints_image, person.visibility, box)


def _title(image: LabelledImage) -> str:
    return image.file.rpartition("/")[2].encode("ascii", "replace").decode()
