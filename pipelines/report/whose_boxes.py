"""Whose boxes `AP@det` starts from, as the report tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pipelines.evaluation.record import BoxesFrom
from pipelines.report.markdown import percent
from pipelines.report.results import Result

RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
Marks = Mapping[str, str]  # by recipe: the number of its boxes, "" where all start from the same
UNMARKED: Marks = MappingProxyType({})


def box_marks(results: Sequence[Result]) -> Marks:
    """A raised number by recipe where numbers of one data set start from different boxes.

    The same number: the very same boxes, by the digest of their file.
    """
    found: dict[str, dict[str, None]] = {}
    for result in results:
        if boxes := result.evaluation.boxes_from:
            found.setdefault(result.data_split, {})[boxes.boxes_sha256] = None
    numbers = {
        (split, digest): str(number).translate(RAISED)
        for split, digests in found.items()
        for number, digest in enumerate(digests, 1)
        if len(digests) > 1
    }
    marks = {}
    for result in results:
        boxes = result.evaluation.boxes_from
        marks[result.name] = (
            numbers.get((result.data_split, boxes.boxes_sha256), "") if boxes else ""
        )
    return marks


def whose_boxes(result: Result, marks: Marks) -> str:
    """`nanodet`, `nanodet ²`; of a file as papers' is "", or its number alone."""
    return f"{result.own_detector} {marks.get(result.name, '')}".strip()


def boxes_note(boxes: BoxesFrom, mark: str = "") -> str:
    """Whose boxes `AP@det` starts from, how good they are, and what that means for papers'."""
    good = ""
    if boxes.AP is not None:
        good = f" (of people: AP {percent(boxes.AP)}, AR {percent(boxes.AR)})"
    own = "" if boxes.brought else ", so that it stands beside none of the papers'"
    whose = "the file" if boxes.brought else "the detector"
    note = f"`AP@det` starts from boxes of {whose} {boxes.name}{good}{own}."
    digest = f"`{boxes.boxes_sha256[:8]}`"
    apart = f" These boxes ({digest}) are compared with those of the same number alone."
    return f"{mark} {note}{apart}" if mark else note
