"""Labels of any format as COCO's json of keypoints, in the order of a skeleton's keypoints.

What labels leave unsaid is said here, once: a person without a box gets the box around its
labelled keypoints, a tenth wider on each side; without an area 0.53 of the box (what CrowdPose's
evaluation takes for people without segments).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.formats.labels import Box, LabelledPerson, Labels, Note
from data.datasets.formats.values import whole_ids
from data.ground.reasons import kinds, row_told
from data.ground.refusal import refusal
from data.ground.sample import AREA_OF_BOX, box_around
from data.ground.skeleton import Skeleton

MARGIN = 0.1  # of a side of the box around keypoints, on each side
NARROW = 0.2  # the shorter side of that box is at least this share of the longer


def coco_content(
    labels: Labels, skeleton: Skeleton, where: str, tell: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """The json's content; ids as the file has them where they are whole numbers, else counted.

    where: the user's file, for messages; `tell` hears of each image. Raises ValueError for
    keypoints that the skeleton does not have, and where nobody has a labelled one.
    """
    places, notes = keypoint_order(labels.keypoints, skeleton, where), list(labels.notes)
    images, people = [], []
    image_ids = _ids([image.id for image in labels.images])
    person_ids = _ids([person.id for image in labels.images for person in image.people])
    ids = iter(person_ids)
    for image_id, image in zip(image_ids, labels.images, strict=True):
        size = {"width": image.width, "height": image.height}
        told = {"id": image_id, "file_name": image.file, "source_id": image.id}
        images.append(told | size)
        for person, person_id in zip(image.people, ids, strict=False):
            row = _row(person, places)
            if row is None:
                reason = "one keypoint and no box, its size is unknown"
                notes.append(Note("person", person.id, image.file, reason))
                continue
            people.append({"id": person_id, "image_id": image_id, "category_id": 1} | row)
        tell()
    if not any(any(row["keypoints"][2::3]) for row in people):
        fault = f"nobody in {len(images)} images has a labelled keypoint and a size"
        why = kinds((n.reason, row_told(n.kind, n.id, n.image)) for n in notes)
        fault += f"; left out: {', '.join(why[:3])}" if why else ""
        do = "label more; or take others to evaluate on (`datasets add`: --val-labels, --val-share)"
        raise refusal(where, fault=fault, do=do)
    category = {"id": 1, "name": "person", "source_name": labels.category,
                "keypoints": list(skeleton.keypoints)}  # fmt: skip
    left_out = [vars(note) for note in notes]
    return {"categories": [category], "images": images, "annotations": people, "notes": left_out}


def keypoint_order(names: Sequence[str], skeleton: Skeleton, where: str) -> np.ndarray:
    """Per keypoint of the skeleton its place among the labels' names, -1: not labelled [K].

    Spellings count as one ("Left Shoulder", "left_shoulder"). Labels without names (`keypoint_1`,
    ...) are in the skeleton's order. Raises ValueError for a keypoint that it does not have.
    """
    exact = {name: k for k, name in enumerate(names)}
    if len(exact) == len(names) and set(names) <= set(skeleton.keypoints):
        return np.array([exact.get(name, -1) for name in skeleton.keypoints])
    known = {plain_name(name): k for k, name in enumerate(names)}
    wanted = [plain_name(name) for name in skeleton.keypoints]
    strange = [name for name in names if plain_name(name) not in wanted]
    unnamed = [plain_name(f"keypoint_{k + 1}") for k in range(len(names))]
    if strange and list(known) == unnamed and len(names) == len(wanted):
        return np.arange(len(names))
    if strange or len(known) < len(names):
        fault = f"keypoints {', '.join(strange or names)} are not the skeleton's, or twice there"
        accepted = f"{', '.join(skeleton.keypoints)} ({skeleton.name})"
        do = "name another skeleton in the entry, or leave it out to have one made of the labels"
        raise refusal(where, fault=fault, accepted=accepted, do=do)
    return np.array([known.get(name, -1) for name in wanted])


def plain_name(name: str) -> str:
    """A keypoint's name without case, blanks, hyphens and underscores."""
    return re.sub(r"[\s_\-.]+", "", name).casefold()


def _row(person: LabelledPerson, places: np.ndarray) -> dict[str, Any] | None:
    there = places >= 0
    points = np.where(there[:, None], person.keypoints_image[places], 0.0)
    seen = np.where(there, person.visibility[places], 0)
    points = np.where(seen[:, None] > 0, points, 0.0)
    box = person.box_image or _box_of(points[seen > 0])
    if box is None:
        return None
    area = person.area if person.area is not None else AREA_OF_BOX * box[2] * box[3]
    count = person.num_keypoints
    row = {
        "keypoints": np.column_stack([points, seen]).reshape(-1).tolist(),
        "num_keypoints": int((seen > 0).sum()) if count is None else count,
        "bbox": list(box),
        "area": area,
        "iscrowd": int(person.is_crowd),
    }
    return row | ({"segmentation": person.segmentation} if person.segmentation else {})


def _box_of(points: np.ndarray) -> Box | None:
    """Around labelled keypoints [N, 2]; None where they have no extent."""
    if not len(points):
        return None
    x, y, width, height = box_around(points)
    if max(width, height) <= 0:
        return None
    wide, high = (max(side, NARROW * max(width, height)) for side in (width, height))
    wide, high = wide * (1 + 2 * MARGIN), high * (1 + 2 * MARGIN)
    return x + width / 2 - wide / 2, y + height / 2 - high / 2, wide, high


def _ids(said: Sequence[str]) -> list[int]:
    """The file's own ids where all are whole numbers and different, else 1, 2, 3..."""
    whole = whole_ids(said)
    return list(range(1, len(said) + 1)) if whole is None else whole


def write_content(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
