"""What labels hold, counted: images, people, keypoints by name, boxes, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.ground.reasons import kinds, row_told
from data.ground.sample import box_around

MARGIN = 1.0  # pixels by which a keypoint may leave its box and is still inside


@dataclass(frozen=True)
class Counts:
    """Of one split.

    images, empty (without people); people, crowds, unlabelled (people without keypoints), boxless;
    uncounted: with labelled keypoints, whom the file counts 0 (`num_keypoints`), who are not
    evaluated.
    visibility [K, 3]: how often each keypoint is absent, occluded, visible, over people with any;
    inside: share of labelled keypoints inside the boxes that are told (nan: none are); ratio:
    median of width / height of boxes (around the keypoints, where none is told; nan without
    people); sizes: how many images of each (width, height), (0, 0) where the labels tell none;
    left_out: rows that could not be used, a line for each kind of reason.
    """

    images: int
    empty: int
    people: int
    crowds: int
    unlabelled: int
    boxless: int
    uncounted: int
    visibility: np.ndarray
    inside: float
    ratio: float
    sizes: Mapping[tuple[int, int], int]
    left_out: tuple[str, ...]

    @property
    def evaluated(self) -> int:
        return self.people - self.unlabelled - self.uncounted


def people_of(labels: Labels) -> Iterator[tuple[LabelledImage, LabelledPerson]]:
    """All people but crowds, with their image."""
    for image in labels.images:
        yield from ((image, person) for person in image.people if not person.is_crowd)


def box_of(person: LabelledPerson) -> tuple[float, float, float, float] | None:
    """The box that is told, else the one around the labelled keypoints; None without either."""
    if person.box_image is not None:
        return person.box_image
    labelled = person.keypoints_image[person.visibility > 0]
    return box_around(labelled) if len(labelled) else None


def inside_of(person: LabelledPerson) -> np.ndarray:
    """bool [K]: whether each keypoint lies in the box that is told, which there must be."""
    assert person.box_image is not None
    x, y, width, height = person.box_image
    low, high = np.array([x, y]) - MARGIN, np.array([x + width, y + height]) + MARGIN
    points = person.keypoints_image
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def counts_of(labels: Labels) -> Counts:
    """One pass over the labels; image files are not opened."""
    people = [person for _, person in people_of(labels)]
    boxes = [box for person in people if (box := box_of(person)) is not None]
    ratios = [box[2] / box[3] for box in boxes if box[2] > 0 and box[3] > 0]
    told = [person for person in people if person.box_image is not None]
    inside = [inside_of(person)[person.visibility > 0] for person in told]
    seen = [person.visibility for person in people if person.visibility.any()]
    flags = np.array(seen).reshape(-1, len(labels.keypoints))
    return Counts(
        images=len(labels.images),
        empty=sum(not image.people for image in labels.images),
        people=len(people),
        crowds=sum(person.is_crowd for image in labels.images for person in image.people),
        unlabelled=sum(not person.visibility.any() for person in people),
        boxless=sum(person.box_image is None for person in people),
        uncounted=sum(p.num_keypoints == 0 and bool(p.visibility.any()) for p in people),
        visibility=np.stack([(flags == flag).sum(axis=0) for flag in (0, 1, 2)], axis=1),
        inside=float(np.concatenate(inside).mean()) if any(map(len, inside)) else float("nan"),
        ratio=float(np.median(ratios)) if ratios else float("nan"),
        sizes=Counter((image.width, image.height) for image in labels.images),
        left_out=tuple(kinds((n.reason, row_told(n.kind, n.id, n.image)) for n in labels.notes)),
    )


def counted_lines(split: str, counts: Counts, keypoints: tuple[str, ...]) -> list[str]:
    """For a person to read: a headline, boxes and sizes, a line per keypoint."""
    said = f"{counts.images} images ({counts.empty} without people), {counts.people} people"
    said += f" ({counts.unlabelled} without keypoints)" if counts.unlabelled else ""
    lines = [f"{split}: {said}" + (f", {counts.crowds} crowds" if counts.crowds else "")]
    inside = f"{counts.inside:.0%} of keypoints inside" if counts.inside == counts.inside else ""
    boxes = f"{counts.people - counts.boxless} of {counts.people} told"
    lines.append(f"  boxes: {', '.join(filter(None, [boxes, inside, _shape(counts.ratio)]))}")
    lines.append(f"  sizes: {_sizes(counts.sizes)}")
    lines += [f"  left out: {line}" for line in counts.left_out]
    width = max(map(len, keypoints), default=0)
    for name, (absent, occluded, visible) in zip(keypoints, counts.visibility, strict=True):
        whole = max(int(absent + occluded + visible), 1)
        lines.append(
            f"  {name:<{width}}  {visible / whole:4.0%} visible  {occluded / whole:4.0%} occluded  "
            f"{absent / whole:4.0%} absent"
        )
    return lines


def _shape(ratio: float) -> str:
    return f"width / height {ratio:.2f} (median)" if ratio == ratio else ""


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    most = Counter(sizes).most_common(3)
    told = [f"{n} of {w} x {h}" if w else f"{n} not told" for (w, h), n in most]
    return ", ".join(told) + (f", {len(sizes) - len(most)} more" if len(sizes) > len(most) else "")
