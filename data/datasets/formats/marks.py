"""Loose marks of one image, as general annotation tools keep them, put together to people.

In: named points, boxes and polygons, some with a group. Out: people, then `Labels`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import Box, LabelledImage, LabelledPerson, Labels
from data.datasets.formats.values import names_of_keypoints, shown
from data.ground.refusal import refusal
from data.ground.sample import box_around


@dataclass(frozen=True)
class Mark:
    """A named point in image pixels; group: "" where it stands alone."""

    name: str
    x: float
    y: float
    visibility: int = 2
    group: str = ""


@dataclass(frozen=True)
class Frame:
    """A box, or a polygon with the box around it, that is called `label`."""

    label: str
    box: Box | None
    group: str = ""
    polygon: tuple[float, ...] = ()


@dataclass(frozen=True)
class Found:
    """A person before names and category are settled; label: "" where the file tells none."""

    label: str
    marks: tuple[Mark, ...]
    box: Box | None = None
    polygon: tuple[float, ...] = ()
    id: str = ""


def gather(
    marks: Sequence[Mark], frames: Sequence[Frame], findings: Findings, image: str
) -> list[Found]:
    """People of one image.

    A group is a person. Marks without a group are of the one frame without a group, of the smallest
    such frame around them where there are several, and of one person where there is none.
    """
    groups: dict[str, tuple[list[Mark], list[Frame]]] = defaultdict(lambda: ([], []))
    for frame in frames:
        key = f"group {frame.group}" if frame.group else f"box {len(groups) + 1}"
        groups[key][1].append(frame)
    alone = {key: own[1][0] for key, own in groups.items() if not own[1][0].group}
    for mark in marks:
        home = f"group {mark.group}" if mark.group else _home(mark, alone)
        if home is None:
            reason = "in no box, and in no group: which person's it is is not said"
            findings.note("person", f"keypoint {mark.name}", image, reason)
        else:
            groups[home][0].append(mark)
    return list(_people(groups, findings, image))


def _home(mark: Mark, alone: dict[str, Frame]) -> str | None:
    if len(alone) < 2:
        return next(iter(alone), "the only person")
    around = [
        (box[2] * box[3], key)
        for key, frame in alone.items()
        if (box := frame.box) and _is_in(mark, box)
    ]
    return min(around)[1] if around else None


def _is_in(mark: Mark, box: Box) -> bool:
    x, y, w, h = box
    return x <= mark.x <= x + w and y <= mark.y <= y + h


def _people(
    groups: dict[str, tuple[list[Mark], list[Frame]]], findings: Findings, image: str
) -> Iterator[Found]:
    for key, (marks, frames) in groups.items():
        boxes = [frame for frame in frames if not frame.polygon]
        polygons = [frame for frame in frames if frame.polygon]
        names = Counter(mark.name for mark in marks)
        if twice := [name for name, times in names.items() if times > 1]:
            reason = f"keypoints labelled twice in one person: {shown(sorted(twice))}"
            findings.note("person", key, image, f"{reason}; give each person a group")
        elif len(boxes) > 1 or len(polygons) > 1:
            findings.note("person", key, image, "several boxes or polygons in one group")
        else:
            first = (boxes or polygons or [Frame("", None)])[0]
            outline = polygons[0].polygon if polygons else ()
            yield Found(first.label, tuple(marks), first.box, outline, key)


def labels_of(
    findings: Findings,
    images: Sequence[tuple[LabelledImage, Sequence[Found]]],
    category: str | None,
    names: Sequence[str] = (),
    limbs: Sequence[tuple[str, str]] = (),
) -> Labels:
    """All images with their people as `Labels`.

    names: keypoints in the order that the file declares; else in that of the person who has most,
    then of those who have others.
    People with another label than the category's are left out; without a label they are taken.
    Raises ValueError where several labels have keypoints and `category` names none of them.
    """
    everyone = [person for _, people in images for person in people]
    chosen = _category(findings, everyone, category)
    taken = [person for person in everyone if person.label in ("", chosen)]
    fullest = sorted(taken, key=lambda person: -len(person.marks))  # the first of the fullest leads
    met = {mark.name: None for person in fullest for mark in person.marks}
    if not (names or met):
        return findings.labels(chosen, ())  # which says that nobody is there
    order = names_of_keypoints(findings.path, list(names) or list(met))
    for image, people in images:
        persons = [
            _person(person, order, findings, image.file)
            for person in people
            if person.label in ("", chosen) and (person.marks or person.box)
        ]
        findings.add(replace(image, people=tuple(persons)))
    return findings.labels(chosen, order, limbs)


def _category(findings: Findings, people: Sequence[Found], category: str | None) -> str:
    """The label that is asked for, or the one with keypoints; "person" where nothing has a name."""
    counts = Counter(person.label for person in people if person.marks and person.label)
    if category is None and len(counts) > 1:
        told = [f"{label} ({count} people)" for label, count in counts.most_common()]
        fault = f"several labels have keypoints: {shown(told)}"
        raise refusal(findings.path, fault=fault, do="name one with `category`")
    unnamed = any(not person.label for person in people if person.marks)
    if category is not None and category not in counts and not unnamed:
        labels = sorted({person.label for person in people if person.label})
        raise refusal(f"{findings.path}: category", given=category, accepted=shown(labels))
    return category or next(iter(counts), "person")


def _person(person: Found, order: Sequence[str], findings: Findings, image: str) -> LabelledPerson:
    """Marks by name; a name that the file does not declare is noted and left out."""
    keypoints, visibility = np.zeros((len(order), 2)), np.zeros(len(order), dtype=np.int64)
    places = {name: place for place, name in enumerate(order)}
    for mark in person.marks:
        if mark.name not in places:
            findings.note("person", person.id, image, f"no keypoint is called {mark.name[:100]!r}")
        elif mark.visibility:
            keypoints[places[mark.name]] = mark.x, mark.y
            visibility[places[mark.name]] = mark.visibility
    outline = [list(person.polygon)] if person.polygon else None
    return LabelledPerson(keypoints, visibility, person.box, segmentation=outline, id=person.id)


def turned_box(box: Box, degrees: float, centre: tuple[float, float]) -> Box:
    """The upright box around one that is turned clockwise about `centre`."""
    x, y, w, h = box
    if degrees % 360 == 0:
        return box
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = np.array([(x, y), (x + w, y), (x, y + h), (x + w, y + h)]) - centre
    around = corners @ np.array([[cosine, sine], [-sine, cosine]]) + centre
    return box_around(around)
