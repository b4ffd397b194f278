"""How well boxes find people: COCO's AP and AR of boxes, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from data.ground.json_text import finite, score_of, whole
from data.ground.sample import Pose, box_around
from pipelines.detection.detected import PersonScore

MOST = 100  # boxes of an image that count, as COCO's numbers have it
NEAR = 0.5  # pixels between a box and what its keypoints span, below which it is taken from them
Row = Mapping[str, Any]  # of COCO's results format: image_id, category_id, bbox, score


def person_score(
    truth: Mapping[int, Sequence[Pose]], rows: Iterable[Row], person: int
) -> PersonScore | None:
    """Everybody with a box is to be found, without keypoints too; crowds are as COCO has them.

    truth: people by image id; rows: of its images, those that are no `person`, or none at all, are
    passed over. None where nobody has a box. Source: cocodataset.org, detection evaluation.
    """
    boxed = {i: [p for p in people if _is_box(p.box_image)] for i, people in truth.items()}
    people = [pose for each in boxed.values() for pose in each if not pose.is_crowd]
    if not people:
        return None
    found = [row for row in rows if _is_row(row, boxed, person)]
    precision, recall = _curves(boxed, found)
    return PersonScore(
        people=len(people),
        AP=round(float(precision.mean()), 6),
        AP50=round(float(precision[0].mean()), 6),
        AR=round(float(recall.mean()), 6),
        spanned=_are_spanned(people),
    )


def _curves(
    boxed: Mapping[int, Sequence[Pose]], found: Sequence[Row]
) -> tuple[np.ndarray, np.ndarray]:
    """Precision [10, 101] by overlap and recall, recall [10] by overlap."""
    from pycocotools.cocoeval import COCOeval

    images = [{"id": image_id} for image_id in boxed]
    true = [
        {"image_id": i, "bbox": list(pose.box_image), "iscrowd": int(pose.is_crowd)}
        for i, people in boxed.items()
        for pose in people
    ]
    boxes = [
        {
            "image_id": whole(row["image_id"]),
            "bbox": row["bbox"],
            "iscrowd": 0,
            "score": row["score"],
        }
        for row in found
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how it gets on
        judge = COCOeval(_coco(images, true), _coco(images, boxes), "bbox")
        judge.params.areaRng, judge.params.areaRngLbl = [[0, float("inf")]], ["all"]
        judge.params.maxDets = [MOST]
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, 0, 0, 0], judge.eval["recall"][:, 0, 0, 0]


def _coco(images: Sequence[Row], rows: Sequence[Row]) -> Any:
    from pycocotools.coco import COCO

    made = COCO()
    numbered = [
        {**row, "id": n + 1, "category_id": 1, "area": row["bbox"][2] * row["bbox"][3]}
        for n, row in enumerate(rows)
    ]
    made.dataset = {"images": images, "annotations": numbered, "categories": [{"id": 1}]}
    made.createIndex()
    return made


def _is_box(box: Sequence[object]) -> bool:
    numbers = [number for number in map(finite, box) if number is not None]
    return len(box) == len(numbers) == 4 and min(numbers[2:]) > 0


def _is_row(row: object, known: Mapping[int, object], person: int) -> bool:
    """Whether it is a person's box; what is wrong with others is told where they are read."""
    if not isinstance(row, dict) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        return False
    box = row["bbox"]
    return (
        whole(row["category_id"]) == person
        and whole(row["image_id"]) in known
        and score_of(row["score"]) is not None
        and isinstance(box, list)
        and _is_box(box)
    )


def _are_spanned(people: Sequence[Pose]) -> bool:
    """Whether the boxes of most who have two keypoints and more are what these span."""
    several = [pose for pose in people if np.count_nonzero(pose.visibility > 0) > 1]
    spans = [box_around(pose.keypoints_image[pose.visibility > 0]) for pose in several]
    boxes = np.array([pose.box_image for pose in several]).reshape(-1, 4)
    apart = np.abs(boxes - np.array(spans).reshape(-1, 4)).max(axis=1, initial=0)
    return len(several) > 0 and float(np.mean(apart < NEAR)) > 0.5
