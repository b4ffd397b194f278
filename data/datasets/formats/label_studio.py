"""Label Studio's json export: keypoints and boxes in percent of the image.

JSON (tasks with `annotations`) and JSON-MIN (one annotation per task, flat). A keypoint belongs to
the box that is its `parentID`, or to which a relation links it; else the text of its `meta` names
its person; without any of these `marks.gather` tells. Visibility: 1 where a choice about the
keypoint, or its `meta`, says "occluded", "hidden" or "invisible"; else 2 (the key `hidden` is the
tool's own eye and says nothing). Of tasks
labelled more than once, the ground truth is read, else the first; cancelled ones are not. Image
names may be addresses: uploads, `local-files/?d=`, clouds. What a model predicted is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, Labels
from data.datasets.formats.marks import Found, Frame, Mark, gather, labels_of, turned_box
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import (
    SUFFIXES,
    RowError,
    name_of,
    number,
    numbers,
    read_labels_json,
    rows_of,
    shown,
    size,
)
from data.ground.refusal import refusal
from data.ground.sample import box_around

HIDDEN = {"occluded", "hidden", "invisible"}
POINTS, BOXES, OUTLINES = "keypointlabels", "rectanglelabels", "polygonlabels"
REGIONS = (POINTS, BOXES, OUTLINES)

Row = Mapping[str, Any]


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: the json file of the export. See `Reader`."""
    content = read_labels_json(labels)
    tasks = rows_of({"tasks": content}, "tasks")
    if tasks is None:
        accepted = "a list of tasks (Label Studio: export as JSON)"
        raise refusal(labels, fault=f"holds a {type(content).__name__}", accepted=accepted)
    findings, folder = Findings(labels), PictureFolder(images)
    read_so_far = []
    for place, task in enumerate(tasks):
        name = name_of(task.get("id")) or f"task {place}"
        try:
            read_so_far.append(_image(task, name, folder, findings))
        except RowError as error:
            findings.note("image", name, str(_address(task))[:200], str(error))
    return labels_of(findings, read_so_far, category)


def _image(
    task: Row, name: str, folder: PictureFolder, findings: Findings
) -> tuple[LabelledImage, list[Found]]:
    file, results = folder.find(_address(task)), _results(task, name, findings)
    regions = [row for row in results if row.get("type") in REGIONS and _value(row)]
    sizes = {(size(r.get("original_width")), size(r.get("original_height"))) for r in regions}
    if len(sizes) > 1 or (0, 0) in sizes:
        raise RowError(f"no one size of the image: {shown(sorted(sizes))}")
    if any(number(row.get("image_rotation") or 0) != 0 for row in regions):
        raise RowError("turned in the tool: labels of turned images are not read")
    width, height = next(iter(sizes), (0, 0))
    boxes = {str(row.get("id")) for row in regions if row.get("type") != POINTS}
    homes, hidden = _homes(results, boxes), _hidden(results)
    marks, frames = list[Mark](), list[Frame]()
    for place, row in enumerate(regions):
        own = str(row.get("id") or f"region {place}")
        try:
            if row["type"] == POINTS:
                marks.append(_mark(row, (width, height), homes.get(own, ""), own in hidden))
            else:
                group = own if own in homes.values() else homes.get(own, "")
                frames.append(_frame(row, (width, height), group))
        except RowError as error:
            findings.note("person", f"{own} of task {name}", file, str(error))
    image = LabelledImage(file, width, height, id=name)
    return image, gather(marks, frames, findings, file)


def _address(task: Row) -> object:
    """What the task's data call the image: the key `image`, else the first that looks like one."""
    data = task.get("data")
    data = data if isinstance(data, dict) else task
    texts = [value for value in data.values() if isinstance(value, str)]
    likely = (text for text in texts if text.lower().split("?X-")[0].endswith(SUFFIXES))
    return data.get("image") or next(likely, None)


def _results(task: Row, name: str, findings: Findings) -> list[Row]:
    """The regions and relations of one annotation."""
    if "annotations" not in task and "completions" not in task:
        return list(_flat(task))
    done = rows_of({"all": task.get("annotations", task.get("completions"))}, "all")
    if done is None:
        raise RowError("no list of annotations")
    kept = [one for one in done if not one.get("was_cancelled")]
    kept.sort(key=lambda one: not one.get("ground_truth"))
    if len(kept) > 1:
        findings.note("image", name, name, f"labelled {len(kept)} times: one of them is read")
    results = rows_of(kept[0], "result") if kept else []
    if results is None:
        raise RowError("an annotation without a list `result`")
    return list(results)


def _flat(task: Row) -> Iterator[Row]:
    """JSON-MIN: the values of each control stand under its name, sizes among them."""
    for key, rows in task.items():
        for place, row in enumerate(rows_of(task, key) or () if isinstance(rows, list) else ()):
            for kind in REGIONS:
                if kind in row:
                    yield {"id": f"{key} {place}", "type": kind, "value": row, **row}


def _value(row: Row) -> dict[str, Any]:
    value = row.get("value")
    return value if isinstance(value, dict) else {}


def _label(row: Row) -> str:
    labels = _value(row).get(row["type"])
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
        raise RowError("not one label")
    return labels[0]


def _homes(results: Sequence[Row], boxes: set[str]) -> dict[str, str]:
    """Keypoint's id -> box's id, or the name that its `meta` gives."""
    homes: dict[str, str] = {}
    for row in results:
        own, told = str(row.get("id")), _told(row)
        if told and not set(told) & HIDDEN:
            homes[own] = f"meta {' '.join(told)}"
        if row.get("parentID") is not None and str(row["parentID"]) in boxes:
            homes[own] = str(row["parentID"])
    for row in results:
        if row.get("type") == "relation":
            ends = str(row.get("from_id")), str(row.get("to_id"))
            box = [end for end in ends if end in boxes]
            if len(box) == 1:
                homes[ends[0] if box[0] == ends[1] else ends[1]] = box[0]
    return homes


def _told(row: Row) -> list[str]:
    """The texts that an annotator wrote on a region, in small letters."""
    meta = row.get("meta")
    texts = meta.get("text") if isinstance(meta, dict) else None
    listed = texts if isinstance(texts, list) else [texts]
    return [text.strip().lower() for text in listed if isinstance(text, str) and text.strip()]


def _hidden(results: Sequence[Row]) -> set[str]:
    """Ids of keypoints that are said to be hidden."""
    hidden = set[str]()
    for row in results:
        choices = _value(row).get("choices")
        said = {str(each).lower() for each in choices} if isinstance(choices, list) else set()
        if (said | set(_told(row))) & HIDDEN:
            hidden.add(str(row.get("id")))
    return hidden


def _mark(row: Row, size: tuple[int, int], group: str, hidden: bool) -> Mark:
    value = _value(row)
    x, y = numbers([value.get("x"), value.get("y")], 2, "point") / 100 * np.array(size)
    return Mark(_label(row), float(x), float(y), 1 if hidden else 2, group)


def _frame(row: Row, size: tuple[int, int], group: str) -> Frame:
    value, label = _value(row), _label(row)
    if row["type"] == OUTLINES:
        points = value.get("points")
        count = len(points) if isinstance(points, list) else 0
        corners = numbers(points, 2 * count, "polygon").reshape(-1, 2) / 100 * np.array(size)
        if count < 3:
            raise RowError(f"{count} corners: polygon")
        return Frame(label, box_around(corners), group, tuple(map(float, corners.ravel())))
    sides = numbers([value.get(key) for key in ("x", "y", "width", "height")], 4, "box")
    x, y, w, h = (float(side) for side in sides / 100 * np.tile(np.array(size), 2))
    if w < 0 or h < 0:
        raise RowError("a side below 0: box")
    turn = number(value.get("rotation") or 0)
    if turn is None:
        raise RowError("no number: rotation")
    return Frame(label, turned_box((x, y, w, h), turn, (x, y)), group)
