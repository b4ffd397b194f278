"""Are places in pixels of their image, sizes known, rows enough?

What fetch or prepare would refuse is told before anything is written, with what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data.datasets.formats.labels import LabelledPerson, Labels
from data.datasets.own import Source
from data.ground.sample import box_around
from pipelines.survey.counts import MARGIN, people_of
from pipelines.survey.seen import SeenImage

MOST_OUTSIDE = 0.05  # share of boxes; some tools let boxes of people at the border leave the image
LIMIT = Source.bad_row_limit


def unit_warnings(split: str, labels: Labels, seen: Sequence[SeenImage]) -> list[str]:
    """Of one split; seen: sizes of images of which the labels tell none."""
    told = [
        *_fractions(labels),
        *_outside(labels, seen),
        *_sizeless(labels),
    ]
    return [f"{split}: {line}" for line in told]


def _fractions(labels: Labels) -> list[str]:
    points = [person.keypoints_image[person.visibility > 0] for _, person in people_of(labels)]
    found = np.concatenate([np.zeros((0, 2)), *points])
    if not len(found) or not 0 < found.max() <= 1 or found.min() < 0:
        return []
    return [
        "all keypoints lie between 0 and 1: they seem to be fractions of the image; multiply them "
        "by its width and height, pixels are expected"
    ]


def _outside(labels: Labels, seen: Sequence[SeenImage]) -> list[str]:
    sizes = {each.file: each.size for each in seen if not each.fault}
    boxes = [
        (*person.box_image, *size)
        for image, person in people_of(labels)
        if person.box_image is not None
        if all(
            size := (image.width, image.height) if image.width else sizes.get(image.file, (0, 0))
        )
    ]
    x, y, w, h, wide, high = np.array(boxes, dtype=float).reshape(-1, 6).T
    out = (x < -MARGIN) | (y < -MARGIN) | (x + w > wide + MARGIN) | (y + h > high + MARGIN)
    if not len(out) or out.mean() <= MOST_OUTSIDE:
        return []
    corners = (w > x) & (h > y) & (w <= wide + MARGIN) & (h <= high + MARGIN)
    do = "they are x, y, width, height in pixels of this image"
    if corners.all():
        do = "they seem to be x1, y1, x2, y2; write x, y, width, height"
    return [f"{int(out.sum())} of {len(out)} boxes leave their image: {do}"]


def _sizeless(labels: Labels) -> list[str]:
    count = sum(is_sizeless(person) for _, person in people_of(labels))
    if not count:
        return []
    do = "their size is unknown, and they are left out; label boxes as well"
    return [f"{count} people have one keypoint and no box: {do}"]


def is_sizeless(person: LabelledPerson) -> bool:
    """Without a box, and with keypoints of no extent."""
    points = person.keypoints_image[person.visibility > 0]
    return person.box_image is None and (not len(points) or max(box_around(points)[2:]) <= 0)


def unusable_rows(
    labels: Mapping[str, Labels], seen: Mapping[str, Sequence[SeenImage]]
) -> list[str]:
    """Of all splits, as prepare counts: images and people, of images that cannot be read too."""
    bad = rows = 0
    for split, each in labels.items():
        gone = {image.file for image in seen[split] if image.fault}
        people = [(image.file, person) for image in each.images for person in image.people]
        bad += len(gone) + len(each.notes)
        bad += sum(file in gone or is_sizeless(person) for file, person in people)
        rows += len(each.images) + len(people) + len(each.notes)
    if bad <= LIMIT * rows:
        return []
    return [
        f"{bad} of {rows} images and people cannot be used, and prepare refuses more than "
        f"{LIMIT:.0%}: mend them, or raise `bad_row_limit` of the data set in params.yaml"
    ]
