"""All that is found of a data set's labels and images, gathered, and told on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.datasets.formats.labels import LabelledPerson, Labels
from data.datasets.sources.own_rows import keypoint_order
from data.ground.skeleton import Skeleton
from pipelines.survey.counts import Counts, counted_lines, counts_of
from pipelines.survey.seen import SeenImage, see_images
from pipelines.survey.units import unit_warnings, unusable_rows
from pipelines.survey.warnings import image_warnings, label_warnings, shared_images, small_split

TRAIN, VAL = "train", "val"


@dataclass(frozen=True)
class Overview:
    """Of a data set; by split: labels with the skeleton's keypoints in its order, counts, images
    that were looked at; `warnings`: a sentence each."""

    skeleton: Skeleton
    labels: Mapping[str, Labels]
    counts: Mapping[str, Counts]
    seen: Mapping[str, list[SeenImage]]
    warnings: list[str]

    @property
    def turned(self) -> bool:
        """Whether labels are of photos as EXIF turns them: of all that it turns, and there are."""
        told = [
            (image.width, image.height) == each.size[::-1]
            for split, labels in self.labels.items()
            for files in [{image.file: image for image in labels.images}]
            for each in self.seen[split]
            if each.turned and (image := files[each.file]).width
        ]
        return bool(told) and all(told)


def overview_of(
    labels: Mapping[str, Labels],
    folders: Mapping[str, Path],
    skeleton: Skeleton,
    where: Mapping[str, str],
) -> Overview:
    """Looks at labels and images of `train` and, where it is another one, of `val`.

    where: the user's file by split, for messages. Raises ValueError for keypoints that the
    skeleton does not have.
    """
    ordered = {split: in_order(each, skeleton, where[split]) for split, each in labels.items()}
    counts = {split: counts_of(each) for split, each in ordered.items()}
    seen = {split: see_images(each, folders[split]) for split, each in ordered.items()}
    told = [
        line
        for split, each in ordered.items()
        for line in (
            *label_warnings(split, each, counts[split], skeleton),
            *image_warnings(split, each, seen[split]),
            *unit_warnings(split, each, seen[split]),
        )
    ]
    told += unusable_rows(ordered, seen)
    if VAL in seen:
        evaluated = counts[VAL].evaluated
        told += small_split(VAL, evaluated) if evaluated else []
        told += shared_images(seen[TRAIN], seen[VAL])
    else:
        told.append("val: the images that are trained on: AP says what was learnt by heart alone")
    return Overview(skeleton, ordered, counts, seen, told)


def in_order(labels: Labels, skeleton: Skeleton, where: str) -> Labels:
    """The labels under the skeleton's names, in its order; what is not labelled is absent."""
    places = keypoint_order(labels.keypoints, skeleton, where)
    if labels.keypoints == skeleton.keypoints:
        return labels
    there = places >= 0

    def person(each: LabelledPerson) -> LabelledPerson:
        points = np.where(there[:, None], each.keypoints_image[places], 0.0)
        flags = np.where(there, each.visibility[places], 0)
        return replace(each, keypoints_image=points, visibility=flags)

    images = tuple(
        replace(image, people=tuple(map(person, image.people))) for image in labels.images
    )
    return replace(
        labels,
        keypoints=skeleton.keypoints,
        images=images,
        limbs=skeleton.limbs,
        mirrored=skeleton.mirrored,
    )


def overview_lines(overview: Overview) -> Iterator[str]:
    """What a person reads: counts by split, pairs, warnings."""
    skeleton = overview.skeleton
    for split, counts in overview.counts.items():
        yield from counted_lines(split, counts, skeleton.keypoints)
    pairs = ", ".join(f"{left} | {right}" for left, right in skeleton.mirrored)
    yield f"left | right: {pairs or 'none: images are not mirrored in training'}"
    yield from (f"warning: {line}" for line in overview.warnings)
