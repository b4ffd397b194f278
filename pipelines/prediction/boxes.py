"""People as boxes: the truth's, or a detector's from its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.feeds.person_crops import with_border
from data.files.table import Table
from data.ground.json_text import A_SCORE, LONGEST, finite, read_json, score_of, whole
from data.ground.refusal import refusal, shown

PERSON = 1  # COCO's category id
RESULTS_FORMAT = "github.com/cocodataset, 'results format': image_id, category_id, bbox, score"


@dataclass(frozen=True)
class Boxes:
    """People as boxes: image_id int64 [N], box_image float64 [N, 4] (x, y, w, h), score [N].

    `empty` counts boxes of a file that were left out because width or height is not above 0,
    `others` those of each other category than person; person_id [N] says whose true boxes these
    are, None: a detector's.
    """

    image_id: np.ndarray
    box_image: np.ndarray
    score: np.ndarray
    empty: int = 0
    person_id: np.ndarray | None = None
    others: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image_id)

    def of_images(self, wanted: Collection[int]) -> Boxes:
        """Those of the wanted images, in the same order."""
        rows = np.isin(self.image_id, np.fromiter(wanted, np.int64, len(wanted)))
        columns = (self.image_id[rows], self.box_image[rows], self.score[rows])
        people = None if self.person_id is None else self.person_id[rows]
        return Boxes(*columns, self.empty, people, self.others)


def truth_boxes(prepared: Path, split: str, aligned: bool = False) -> Boxes:
    """Boxes of the split's people with keypoints, score 1: the `gt` protocol.

    aligned (`codec.aligned`): as DARK's code takes true boxes, in training too (`with_border`).
    """
    persons = Table(prepared / split / "persons.arrow")
    boxes = np.array(persons["box_image"], dtype=np.float64)
    if aligned:
        border = persons["border"].astype(np.float64) if "border" in persons.names else 1.0
        boxes = np.stack(with_border(boxes.T, border), axis=1)
    return Boxes(
        np.asarray(persons["image_id"], dtype=np.int64),
        boxes,
        np.ones(len(boxes)),
        person_id=np.asarray(persons["person_id"], dtype=np.int64),
    )


def read_detections(path: Path, known: Collection[int], person: int = PERSON) -> Boxes:
    """A detector's boxes in COCO results format; other categories are left out, and counted.

    `known` are the split's image ids, `person` the category id of a person in its truth. A file
    without rows is of a detector that found nobody. Raises ValueError that names file and row where
    a row is malformed or the file belongs to other images, and where none of its rows is a person.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise refusal(
            path, fault=f"given {type(rows).__name__}", accepted=f"a list ({RESULTS_FORMAT})"
        )
    categories = [_category(path, n, row) for n, row in enumerate(rows)]
    others = _others(path, categories, person)
    people = [(n, rows[n]) for n, category in enumerate(categories) if category == person]
    for n, row in people:
        _check_detection(path, n, row, known)
    kept = [row for _, row in people if row["bbox"][2] > 0 and row["bbox"][3] > 0]
    return Boxes(
        np.array([whole(row["image_id"]) for row in kept], dtype=np.int64),
        np.array([row["bbox"] for row in kept], dtype=np.float64).reshape(-1, 4),
        np.array([row["score"] for row in kept], dtype=np.float64),
        len(people) - len(kept),
        others=others,
    )


def _category(path: Path, n: int, row: object) -> int:
    if not isinstance(row, dict) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        raise refusal(f"{path}: row {n}", fault=f"given {_short(row)}", accepted=RESULTS_FORMAT)
    category = row["category_id"]
    if not _finite([category]) or category != int(category):
        where = f"{path}: row {n}: category_id"
        raise refusal(where, given=category, accepted=f"a whole number ({RESULTS_FORMAT})")
    return int(category)


def _others(path: Path, categories: Sequence[int], person: int) -> dict[str, int]:
    """How many rows each category has that is not `person`; ValueError where all are others."""
    counts = Counter(category for category in categories if category != person)
    if counts and counts.total() == len(categories):
        found = ", ".join(f"{each} ({counts[each]:,} rows)" for each in sorted(counts))
        raise refusal(
            f"{path}: category_id",
            fault=f"no row is a person: given {found}",
            accepted=f"{person} for people, as the truth numbers them",
            do=f"write {person} for the detector's class of people",
        )
    return {str(each): counts[each] for each in sorted(counts)}


def _check_detection(path: Path, n: int, row: Mapping[str, Any], known: Collection[int]) -> None:
    box = row["bbox"]
    is_box = isinstance(box, list) and len(box) == 4 and _finite(box)
    if not is_box or max(map(abs, box)) > LONGEST:
        accepted = f"4 finite numbers, up to {LONGEST:,.0f}"
        given = f"given {_short(box)}"
        raise refusal(f"{path}: row {n}: bbox", fault=given, accepted=accepted)
    if score_of(row["score"]) is None:
        raise refusal(f"{path}: row {n}: score", given=row["score"], accepted=A_SCORE)
    if whole(row["image_id"]) not in known:
        fault = (
            f"image_id {shown(row['image_id'])} is none of the {len(known)} images that are "
            "evaluated"
        )
        do = "this file belongs to another data set or split"
        raise refusal(f"{path}: row {n}", fault=fault, do=do)


def _finite(values: Iterable[object]) -> bool:
    return all(finite(value) is not None for value in values)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."
