"""MPII's annotations as HRNet's tools have them: a json list, one person a row, 16 keypoints.

{image, center, scale, joints [16, 2], joints_vis [16]}, positions counted from 1. The person's box
is the square of 200 x scale around the centre, moved down by 15 x scale, as HRNet's code crops it;
head boxes, which PCKh needs, are not in this file: the data set `mpii` of the menu has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import RowError, numbers, read_labels_json
from data.ground.refusal import refusal
from data.ground.skeleton import load_skeleton

MPII = load_skeleton("mpii")
COUNT = len(MPII.keypoints)
SIDE, DOWN = 200.0, 15.0  # of the box, times the scale


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: train.json or valid.json; images are opened for their sizes. See `Reader`."""
    content = read_labels_json(labels)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        accepted = "a list of {image, center, scale, joints, joints_vis}"
        raise refusal(labels, fault=f"given a json {type(content).__name__}", accepted=accepted)
    findings, folder = Findings(labels), PictureFolder(images)
    people: dict[str, list[LabelledPerson]] = {}
    for place, row in enumerate(content):
        name = str(row.get("image"))[:200]
        try:
            people.setdefault(folder.find(row.get("image")), []).append(_person(row, place))
        except RowError as error:
            findings.note("person", str(place), name, str(error))
    for file, found in people.items():
        try:
            findings.add(LabelledImage(file, *folder.size(file), tuple(found), id=file))
        except RowError as error:
            findings.note("image", file, file, str(error))
    return findings.labels(category or "person", MPII.keypoints, MPII.limbs, MPII.mirrored)


def _person(row: Mapping[str, Any], place: int) -> LabelledPerson:
    labelled = numbers(row.get("joints_vis"), COUNT, "joints_vis") > 0
    points = numbers(row.get("joints"), 2 * COUNT, "joints").reshape(COUNT, 2) - 1.0
    (x, y), (scale,) = (
        numbers(row.get("center"), 2, "center"),
        numbers(row.get("scale"), 1, "scale"),
    )
    side = SIDE * scale
    if scale <= 0:
        raise RowError("not above 0: scale")
    box = (x - 1.0 - side / 2, y + DOWN * scale - 1.0 - side / 2, side, side)
    kept = np.where(labelled[:, None], points, 0.0)
    visibility = np.where(labelled, 2, 0).astype(np.int64)
    return LabelledPerson(kept, visibility, tuple(map(float, box)), id=str(place))  # type: ignore[arg-type]
