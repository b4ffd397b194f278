"""A folder as large as the whole of COCO 2017, made of a few real images and their annotations.

In: a folder of COCO's layout with some images. Out: 118,287 + 5,000 images, hard links to copies of
the given ones, as many annotation rows as COCO's files of person keypoints have, as many of them
with keypoints, and detections of the validation images. Ids are new, everything else is as given.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

MOST_LINKS = 60_000  # of one file: ext4 has 65,000
DETECTIONS = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
DETECTED = 104_125  # boxes of the file that the HRNet papers evaluate with
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """Of a split: images, those with people, rows of people, rows that have keypoints."""

    images: int
    peopled: int
    rows: int
    labelled: int

    def scaled(self, scale: float) -> Size:
        return Size(*(max(round(n * scale), 2) for n in vars(self).values()))


# counted in the official files of 2017
SIZES = {"train": Size(118_287, 64_115, 262_465, 149_813), "val": Size(5_000, 2_693, 11_004, 6_352)}


@dataclass(frozen=True)
class Given:
    """What there is of a split: its json, rows with and without keypoints by image id."""

    content: dict[str, Any]
    labelled: Sequence[Row]
    others: Sequence[Row]


def make_coco_sized(real: Path, folder: Path, scale: float = 1.0) -> None:
    """`folder`, which is made; scale: of all numbers of COCO's."""
    for split, size in SIZES.items():
        given = _given(real, split)
        rng = random.Random(f"{split} 1")
        images = list(_images(real, folder, split, given, size.scaled(scale)))
        rows = _rows(given, images, size.scaled(scale), rng)
        target = folder / "annotations" / f"person_keypoints_{split}2017.json"
        _write_json(target, given.content, images, rows)
        if split == "val":
            _write_detections(real, folder, images, max(round(DETECTED * scale), 1))


def _given(real: Path, split: str) -> Given:
    path = real / "annotations" / f"person_keypoints_{split}2017.json"
    content = json.loads(path.read_text())
    rows = content["annotations"]
    labelled = [row for row in rows if row["num_keypoints"]]
    return Given(content, labelled, [row for row in rows if not row["num_keypoints"]])


def _images(real: Path, folder: Path, split: str, given: Given, size: Size) -> Iterator[Row]:
    """Rows of images, whose files are made on the way; `_of`: the id of the given one."""
    originals, target = folder / "originals" / split, folder / f"{split}2017"
    for each in (originals, target):
        each.mkdir(parents=True)
    rows = given.content["images"]
    for number in range(size.images):
        row = rows[number % len(rows)]
        copy = originals / f"{number // (len(rows) * MOST_LINKS)}-{row['file_name']}"
        if not copy.exists():
            shutil.copyfile(real / f"{split}2017" / row["file_name"], copy)
        image_id = number * 4 + 9 + (split == "val")
        name = f"{image_id:012d}.jpg"
        (target / name).hardlink_to(copy)
        url = f"http://images.cocodataset.org/{split}2017/{name}"
        yield row | {"file_name": name, "coco_url": url, "id": image_id, "_of": row["id"]}


def _rows(given: Given, images: Sequence[Row], size: Size, rng: random.Random) -> Iterator[Row]:
    """Rows of people in the first so many images, in an order by nothing, as COCO's are.

    A row stays with a copy of its own image, whose size its numbers fit.
    """
    peopled = {row["image_id"] for row in (*given.labelled, *given.others)}
    able = [image for image in images if image["_of"] in peopled]
    copies: dict[int, list[int]] = {}
    for image in rng.sample(able, min(size.peopled, len(able))):
        copies.setdefault(image["_of"], []).append(image["id"])
    labelled, others = (
        [row for row in rows if row["image_id"] in copies]
        for rows in (given.labelled, given.others)
    )
    kinds = [labelled] * size.labelled + [others] * (size.rows - size.labelled)
    rng.shuffle(kinds)
    for number, kind in enumerate(kinds):
        row = rng.choice(kind)
        image = rng.choice(copies[row["image_id"]])
        yield row | {"image_id": image, "id": 1_000_000 + number}


def _write_detections(real: Path, folder: Path, images: Sequence[Row], rows: int) -> None:
    """So many boxes, each in a copy of its own image."""
    given = json.loads((real / DETECTIONS).read_text())
    boxes: dict[int, list[Row]] = {}
    for row in given:
        boxes.setdefault(row["image_id"], []).append(row)
    found = (
        box | {"image_id": image["id"]}
        for image in cycle(images)
        for box in boxes.get(image["_of"], ())
    )
    path = folder / DETECTIONS
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        file.write("[")
        for number, box in enumerate(islice(found, rows)):
            file.write(", " * (number > 0) + json.dumps(box))
        file.write("]")


def _write_json(path: Path, content: Row, images: Sequence[Row], rows: Iterator[Row]) -> None:
    """With the official files' spaces; row by row, as all of them do not fit a small memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {key: content[key] for key in ("info", "licenses") if key in content}
    told = ({k: v for k, v in image.items() if k != "_of"} for image in images)
    with path.open("w") as file:
        file.write(_text(head)[:-1])
        for name, each in (("images", told), ("annotations", rows)):
            file.write(f',"{name}": [')
            for number, row in enumerate(each):
                file.write("," * (number > 0) + _text(row))
            file.write("]")
        file.write(f',"categories": {_text(content["categories"])}}}')


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ": "))
