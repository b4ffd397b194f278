"""Json of COCO's kind (person keypoints): checked rows as samples, and the truth untouched.

In: what `read_truth` read of a file; how its data set differs from COCO's (`Rows`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton

_KEYS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class Rows:
    """What differs between data sets that are json of COCO's kind.

    told: their layout in words; others: names that a file may have for keypoints of ours;
    box_share: a person's area is this share of the box where rows tell none.
    """

    skeleton: Skeleton
    told: str = "COCO's official layout"
    others: tuple[tuple[str, str], ...] = ()
    box_share: float | None = None

    def area(self, row: Mapping[str, Any]) -> object:
        if self.box_share is None:
            return row.get("area")
        box = row.get("bbox")
        right = isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))
        return self.box_share * (box[2] * box[3]) if right else None  # type: ignore[index]

    def names(self, category: Mapping[str, Any]) -> tuple[str, ...]:
        known = dict(self.others)
        return tuple(known.get(name, name) for name in category.get("keypoints", ()))


def samples_of(
    content: Mapping[str, Any], folder: Path, split: str, reject: Reject, how: Rows
) -> Iterator[Sample]:
    """All images with their people, images in `folder`; unusable rows to `reject`.

    `Sample.ignore` has the segmentation of each crowd and of each person without labelled
    keypoints, in the order of these poses.
    """
    rows = _Rows(split, reject, _person_categories(content), how)
    people = rows.people_by_image(content["annotations"], content["images"])
    for image in rows.images(content["images"]):
        poses, regions = [], []
        for annotation in people.pop(image["id"], ()):
            if pose := rows.pose(annotation):
                poses.append(pose)
                if pose.is_crowd or not pose.visibility.any():
                    regions.append(annotation.get("segmentation") or [])
        path = folder / image["file_name"]
        size = int(image["width"]), int(image["height"])
        yield Sample(int(image["id"]), path, *size, tuple(poses), tuple(regions))
    rows.reject_people_of_unusable_images(people)


def truth_of(content: Mapping[str, Any], how: Rows) -> dict[int, list[Pose]]:
    """All people of every image id, untouched; images without people too.

    A row without a readable list of keypoints counts as a person without labelled ones, which
    COCO's evaluation neither rewards nor punishes.
    """
    person = _person_categories(content)
    people: dict[int, list[Pose]] = {int(image["id"]): [] for image in content["images"]}
    for row in content["annotations"]:
        category, image = row.get("category_id"), row.get("image_id")
        if _is_count(category) and person.get(category) and _is_count(image) and image in people:
            people[image].append(_to_pose(row, _keypoints(row, how), how))
    return people


def read_truth(path: Path, how: Rows) -> dict[str, Any]:
    """The json of person keypoints. Raises ValueError where it is none (missing, cut, other)."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        do = "run `dvc repro fetch` (`python -m pipelines.fetch DATASET`) or use a demo recipe"
        raise refusal(path, fault="no such file", accepted=how.told, do=do) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        fault = f"truncated or no json ({error})"
        raise refusal(path, fault=fault, do="fetch the file again") from error
    except OSError as error:
        raise refusal(path, fault=f"cannot be read ({error.strerror})", do="check it") from error
    _check_kind(path, content, how)
    return dict(content)


def _check_kind(path: Path, content: object, how: Rows) -> None:
    accepted = f"an object with lists {', '.join(_KEYS)} (COCO's person_keypoints json)"
    if not isinstance(content, dict):
        first = content[0] if isinstance(content, list) and content else None
        mpii = isinstance(first, dict) and "joints" in first
        do = "it looks like MPII's: is the data set `mpii`?" if mpii else ""
        fault = f"given a json {type(content).__name__}"
        raise refusal(path, fault=fault, accepted=accepted, do=do)
    for key in _KEYS:
        rows = content.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            fault = "missing or no list of objects"
            raise refusal(f"{path}: {key}", fault=fault, accepted=accepted)
    _check_person(f"{path}: categories", content["categories"], how, accepted)


def _check_person(
    where: str, categories: Sequence[Mapping[str, Any]], how: Rows, accepted: str
) -> None:
    person = next((each for each in categories if each.get("name") == "person"), None)
    if person is None:
        raise refusal(where, fault="no person with keypoints", accepted=accepted)
    if how.names(person) != how.skeleton.keypoints:
        fault = f"person has the keypoints {person.get('keypoints')}"
        raise refusal(where, fault=fault, accepted=str(list(how.skeleton.keypoints)))


def _person_categories(content: Mapping[str, Any]) -> dict[object, bool]:
    """Whether each category id is a person."""
    return {c.get("id"): c.get("name") == "person" for c in content["categories"]}


def person_category(content: Mapping[str, Any]) -> int:
    """The id of the person in a json of this kind."""
    ids = (each for each, person in _person_categories(content).items() if person)
    return next((each for each in ids if isinstance(each, int)), 1)


def _keypoints(row: Mapping[str, Any], how: Rows) -> np.ndarray | None:
    """[K, 3] float64 (x, y, visibility) or None where the row has no such numbers."""
    try:
        values = np.asarray(row.get("keypoints"), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if values.shape != (3 * len(how.skeleton.keypoints),) or not np.isfinite(values).all():
        return None
    return values.reshape(-1, 3)


def _to_pose(row: Mapping[str, Any], keypoints: np.ndarray | None, how: Rows) -> Pose:
    if keypoints is None:
        keypoints = np.zeros((len(how.skeleton.keypoints), 3))
    box = row.get("bbox")
    x, y, w, h = map(_number, box) if isinstance(box, list) and len(box) == 4 else (0.0,) * 4
    return Pose(
        keypoints_image=np.ascontiguousarray(keypoints[:, :2]),
        visibility=keypoints[:, 2].astype(np.int64),
        box_image=(x, y, w, h),
        area=_number(how.area(row)),
        is_crowd=bool(row.get("iscrowd", 0)),
        id=int(_number(row.get("id"))),
    )


class _Rows:
    """The checks of one split's rows, one by one; what fails goes to `reject` with its reason."""

    def __init__(
        self, split: str, reject: Reject, person: Mapping[object, bool], how: Rows
    ) -> None:
        self.split, self.reject, self.person, self.how = split, reject, person, how
        self._seen: dict[str, set[object]] = {"image": set(), "person": set()}

    def images(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for row in rows:
            if reason := self._image_fault(row):
                self._say("image", row.get("id"), row.get("id"), reason)
            else:
                self._seen["image"].add(row["id"])
                yield row

    def people_by_image(
        self, rows: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]
    ) -> dict[object, list[Mapping[str, Any]]]:
        known = {row["id"] for row in images if _is_count(row.get("id"))}
        people: dict[object, list[Mapping[str, Any]]] = {}
        for row in rows:
            image, category = row.get("image_id"), row.get("category_id")
            if not _is_count(category) or category not in self.person:
                self._say("person", row.get("id"), image, "unknown category")
            elif not _is_count(image) or image not in known:
                self._say("person", row.get("id"), image, "unknown image")
            elif self.person[category]:
                people.setdefault(image, []).append(row)
        return people

    def pose(self, row: Mapping[str, Any]) -> Pose | None:
        keypoints = _keypoints(row, self.how)
        if reason := self._person_fault(row, keypoints):
            self._say("person", row.get("id"), row.get("image_id"), reason)
            return None
        self._seen["person"].add(row["id"])
        return _to_pose(row, keypoints, self.how)

    def reject_people_of_unusable_images(
        self, people: Mapping[object, Sequence[Mapping[str, Any]]]
    ) -> None:
        for rows in people.values():
            for row in rows:
                self._say("person", row.get("id"), row.get("image_id"), "image row not usable")

    def _image_fault(self, row: Mapping[str, Any]) -> str | None:
        if not _is_count(row.get("id")):
            return "no id"
        if row["id"] in self._seen["image"]:
            return "duplicate id"
        name = row.get("file_name")
        if not isinstance(name, str) or not name:
            return "no file name"
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            return "file name leaves the folder"
        if not all(_is_count(row.get(side)) and row[side] > 0 for side in ("width", "height")):
            return "no width and height"
        return None

    def _person_fault(self, row: Mapping[str, Any], keypoints: np.ndarray | None) -> str | None:
        if not _is_count(row.get("id")):
            return "no id"
        if row["id"] in self._seen["person"]:
            return "duplicate id"
        if keypoints is None:
            return _why_no_keypoints(row.get("keypoints"), self.how)
        if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
            return "visibility other than 0, 1, 2"
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            return "wrong number of values: box"
        if not all(_is_finite(value) for value in (*box, self.how.area(row))):
            return "not finite: box or area"
        return None

    def _say(self, kind: str, row_id: object, image_id: object, reason: str) -> None:
        self.reject(Rejected(self.split, kind, str(row_id), str(image_id), reason))


def _why_no_keypoints(values: object, how: Rows) -> str:
    right = isinstance(values, list) and len(values) == 3 * len(how.skeleton.keypoints)
    return "not finite: keypoints" if right else "wrong number of values: keypoints"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
