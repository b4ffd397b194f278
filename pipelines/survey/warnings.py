"""What is odd about labels and their images, a sentence each, with the number that says so.

Nothing here stops anything: what cannot be used at all is refused by the reader of the format, and
rows that cannot be trained on go to quarantine when the data set is prepared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from data.datasets.formats.labels import Labels
from data.ground.skeleton import Skeleton
from pipelines.survey.counts import Counts, people_of
from pipelines.survey.seen import SeenImage, nearly_same, same_bytes
from pipelines.survey.sides import PairSides, front_sides, pair_sides

Z = 1.96  # of a normal distribution: 95 %
EXAMPLE = 0.8  # the AP that the interval of a small split is told for
WIDE = 0.05  # half of an interval from which a split is small
LEAST_INSIDE = 0.95  # share of keypoints in their boxes
LEAST_PEOPLE = 8  # from which shares of people are told
MANY = 50  # people from which "all of them are visible" says something
NAMED = 3  # files that a sentence names


def label_warnings(split: str, labels: Labels, counts: Counts, skeleton: Skeleton) -> list[str]:
    """Of one split, from the labels alone."""
    told = [
        *_never_labelled(labels, counts),
        *_visibility(counts),
        *_at_origin(labels),
        *_boxes(counts),
        *_uncounted(counts),
        *_fronts(front_sides(labels, skeleton)),
        *_pairs(pair_sides(labels, skeleton)),
    ]
    return [f"{split}: {line}" for line in told]


def small_split(split: str, people: int) -> list[str]:
    """Where the number of people says too little of AP.

    The interval is Wilson's, at 95 %, with people as independent coin tosses of which AP is the
    share that is found: rough, but the right size. The evaluation bootstraps the real one.
    """
    low, high = wilson(EXAMPLE, people)
    if people and (high - low) / 2 <= WIDE:
        return []
    return [
        f"{split}: {people} people: an AP of {EXAMPLE} could as well be {low:.2f} or {high:.2f} "
        f"(95 % interval, Wilson's for {people} people found or not)"
    ]


def wilson(share: float, count: int, z: float = Z) -> tuple[float, float]:
    """The interval of a share of `count` (E. B. Wilson, 1927); 0 to 1 for none."""
    if count == 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    root = math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half = z * root / (1 + z * z / count)
    return middle - half, middle + half


def image_warnings(split: str, labels: Labels, seen: Sequence[SeenImage]) -> list[str]:
    """Of one split, from its image files: missing ones, other sizes than told, turned ones."""
    sizes = {image.file: (image.width, image.height) for image in labels.images}
    faults = [f"{each.file} ({each.fault})" for each in seen if each.fault]
    there = [each for each in seen if not each.fault]
    other = [each for each in there if sizes[each.file] not in ((0, 0), each.size)]
    turned = [each for each in other if each.turned and sizes[each.file] == each.size[::-1]]
    rest = [
        f"{each.file} (told {_by(sizes[each.file])}, is {_by(each.size)})"
        for each in other
        if each not in turned
    ]
    told = []
    if faults:
        told.append(f"{len(faults)} of {len(seen)} images cannot be read: {_some(faults)}")
    if rest:
        told.append(f"{len(rest)} images have another size than the labels tell: {_some(rest)}")
    if turned:
        files = _some([each.file for each in turned])
        told.append(f"{len(turned)} images are labelled as EXIF turns them, not as stored: {files}")
    return [f"{split}: {line}" for line in told]


def shared_images(train: Sequence[SeenImage], val: Sequence[SeenImage]) -> list[str]:
    """Images of val that are trained on too, or look like one that is."""
    kinds = (
        (same_bytes(train, val), "are trained on as well (the same bytes)"),
        (nearly_same(train, val), "look like one that is trained on (perceptual hash)"),
    )
    return [
        f"{len(pairs)} of {len(val)} val images {what}, so that AP is too good: "
        + _some([f"{b.file} and {a.file}" for a, b in pairs])
        for pairs, what in kinds
        if pairs
    ]


def _never_labelled(labels: Labels, counts: Counts) -> list[str]:
    seen = counts.visibility[:, 1:].sum(axis=1)
    never = [name for name, n in zip(labels.keypoints, seen, strict=True) if n == 0]
    return [f"never labelled: {', '.join(never)}"] if never and counts.people else []


def _visibility(counts: Counts) -> list[str]:
    absent, occluded, visible = counts.visibility.sum(axis=0)
    if counts.people >= MANY and visible and not absent and not occluded:
        return [
            "every keypoint of every person is marked visible (2): hidden ones are 1, and those "
            "that nobody can place 0, or the network is taught guesses as if they were seen"
        ]
    return []


def _at_origin(labels: Labels) -> list[str]:
    count = sum(
        int(((person.keypoints_image == 0).all(axis=1) & (person.visibility > 0)).sum())
        for _, person in people_of(labels)
    )
    do = "the tool's way to say absent; they are taught as being there"
    return [f"{count} keypoints at (0, 0) are marked labelled: {do}"] if count else []


def _boxes(counts: Counts) -> list[str]:
    if counts.inside >= LEAST_INSIDE or math.isnan(counts.inside):
        return []
    return [
        f"{1 - counts.inside:.0%} of keypoints lie outside their person's box: are boxes "
        "(x, y, width, height) in pixels of this image?"
    ]


def _uncounted(counts: Counts) -> list[str]:
    labelled = counts.people - counts.unlabelled
    if not counts.uncounted:
        return []
    do = "write how many are labelled, or leave `num_keypoints` out, where they are to count"
    said = f"{counts.uncounted} of {labelled} people are not evaluated: num_keypoints says 0"
    return [f"{said}; {do}"]


def _fronts(sides: Sequence[PairSides]) -> list[str]:
    people, odd = sum(s.people for s in sides), sum(s.odd for s in sides)
    if max((s.people for s in sides), default=0) < LEAST_PEOPLE or odd <= people / 2:
        return []
    return [
        f"left and right seem swapped: of people seen from the front (nose and both eyes visible) "
        f"{odd / people:.0%} of pairs have the left one on the image's left (expected: few)"
    ]


def _pairs(sides: Sequence[PairSides]) -> list[str]:
    """Where more than half are odd, and not by chance: beyond two standard deviations of a coin."""
    return [
        f"{' and '.join(s.pair)} seem swapped: in {s.odd / s.people:.0%} of {s.people} people they "
        "point against the other pairs"
        for s in sides
        if s.people >= LEAST_PEOPLE and s.odd > s.people / 2 + Z * math.sqrt(s.people) / 2
    ]


def _some(files: Sequence[str]) -> str:
    return ", ".join(files[:NAMED]) + (", ..." if len(files) > NAMED else "")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
