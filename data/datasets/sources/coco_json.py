"""Json of COCO's kind (person keypoints): checked rows as samples, and the truth untouched.

In: what `read_truth` read of a file; how its data set differs from COCO's (`Rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.datasets.sources.coco_rows import Row, Rows, counting_note, id_fault
from data.datasets.sources.json_rows import JsonRows, read_json_rows
from data.ground.data_set import Expected
from data.ground.json_text import whole
from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Rejected, Sample

__all__ = ["Rows", "person_category", "read_truth", "samples_of", "truth_of"]

_KEYS = ("images", "annotations", "categories")


def samples_of(
    content: Mapping[str, Any], folder: Path, split: str, reject: Reject, how: Rows
) -> Iterator[Sample]:
    """All images with their people, images in `folder`; unusable rows to `reject`.

    What a row lacks and what is taken instead goes there too, as a "note".
    """
    rows = _Rows(split, reject, _person_categories(content, how), how)
    return Expected(_samples(content, folder, rows), len(content["images"]))


def _samples(content: Mapping[str, Any], folder: Path, rows: _Rows) -> Iterator[Sample]:
    annotations = content["annotations"]
    people = rows.people_by_image(annotations, content["images"])
    for number, image in rows.images(content["images"]):
        poses, regions = [], []
        for place in people.pop(number, ()):
            annotation = annotations[place]
            if pose := rows.pose(annotation):
                poses.append(pose)
                if pose.has_region:
                    regions.append(annotation.get("segmentation") or [])
        path = folder / image["file_name"]
        size = whole(image.get("width")) or 0, whole(image.get("height")) or 0
        yield Sample(number, path, *size, tuple(poses), tuple(regions))
    left = (annotations[place] for places in people.values() for place in places)
    rows.reject_people_of_unusable_images(left)


def truth_of(content: Mapping[str, Any], how: Rows) -> dict[int, list[Pose]]:
    """All people of every image id, untouched; images without people too.

    Who counts is the file's word, `num_keypoints`. A row without a readable list of keypoints
    counts as a person without labelled ones, which COCO's evaluation neither rewards nor punishes.
    Images and people without an id, people with one that stood before: left out, as `samples_of`
    leaves them out.
    """
    person = _person_categories(content, how)
    ids = (whole(image.get("id")) for image in content["images"])
    people: dict[int, list[Pose]] = {number: [] for number in ids if number is not None}
    seen: set[int] = set()
    for row in content["annotations"]:
        image = whole(row.get("image_id"))
        if not _category(row, person) or image not in people or id_fault(row, seen):
            continue
        pose = how.pose(row, how.keypoints(row))
        seen.add(pose.id)
        people[image].append(pose)
    return people


def read_truth(path: Path, how: Rows) -> dict[str, Any]:
    """The json of person keypoints. Raises ValueError where it is none (missing, cut, other)."""
    do = "run `python -m pipelines.fetch DATASET` or use a demo recipe"
    content = read_json_rows(path, do)
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
        if not _are_objects(content.get(key)):
            fault = "missing or no list of objects"
            raise refusal(f"{path}: {key}", fault=fault, accepted=accepted)
    _check_person(f"{path}: categories", content["categories"], how, accepted)


def _are_objects(rows: object) -> bool:
    if isinstance(rows, JsonRows):
        return rows.objects
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _check_person(where: str, categories: Sequence[Row], how: Rows, accepted: str) -> None:
    """Tools list a first "person" without keypoints beside the one that has them."""
    named = [each for each in categories if each.get("name") == how.category]
    found = [each for each in named if how.names(each)]
    if not found:
        listed = ", ".join(f"{c.get('name')!r} ({len(how.names(c))} keypoints)" for c in categories)
        fault = f"no {how.category} with keypoints among {listed or 'none'}"
        raise refusal(where, fault=fault, accepted=accepted)
    if not any(how.names(each) == how.skeleton.keypoints for each in found):
        fault = f"{how.category} has the keypoints {found[0].get('keypoints')}"
        raise refusal(where, fault=fault, accepted=str(list(how.skeleton.keypoints)))


def _person_categories(content: Mapping[str, Any], how: Rows) -> dict[object, bool]:
    """Whether each category id is a person of our keypoints."""
    return {
        c["id"]: c.get("name") == how.category and how.names(c) == how.skeleton.keypoints
        for c in content["categories"]
        if isinstance(c.get("id"), int | float | str)
    }


def person_category(content: Mapping[str, Any], how: Rows) -> int:
    """The id of the person in a json of this kind; 1, as COCO's, where it is no whole number."""
    ids = (whole(each) for each, person in _person_categories(content, how).items() if person)
    return next((each for each in ids if each is not None), 1)


def _category(row: Row, person: Mapping[object, bool]) -> bool | None:
    """Whether a row's category is a person; None: there is no such category."""
    category = row.get("category_id")
    known = isinstance(category, int | float | str) and not isinstance(category, bool)
    return person.get(category) if known else None


class _Rows:
    """The checks of one split's rows, one by one; what fails goes to `reject` with its reason."""

    def __init__(
        self, split: str, reject: Reject, person: Mapping[object, bool], how: Rows
    ) -> None:
        self.split, self.reject, self.person, self.how = split, reject, person, how
        self._images: set[int] = set()
        self._people: set[int] = set()

    def images(self, rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
        """Usable ones, each with its id."""
        for row in rows:
            number = whole(row.get("id"))
            if (reason := self.how.image_fault(row, self._images)) or number is None:
                self._say("image", row.get("id"), row.get("id"), reason)
            else:
                self._images.add(number)
                yield number, row

    def people_by_image(self, rows: Sequence[Row], images: Sequence[Row]) -> dict[int, list[int]]:
        """Places in `rows` of the people of each image: rows are not kept, but read again."""
        known = {whole(row.get("id")) for row in images}
        nameless = {str(row.get("id")) for row in images if whole(row.get("id")) is None}
        people: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            image, category = whole(row.get("image_id")), _category(row, self.person)
            if category is None:
                self._say("person", row.get("id"), row.get("image_id"), "unknown category")
            elif image is None or image not in known:
                there = str(row.get("image_id")) in nameless
                reason = "image row not usable" if there else "unknown image"
                self._say("person", row.get("id"), row.get("image_id"), reason)
            elif category:
                people.setdefault(image, []).append(place)
        return people

    def pose(self, row: Row) -> Pose | None:
        keypoints = self.how.keypoints(row)
        said = row.get("id"), row.get("image_id")
        if reason := self.how.person_fault(row, keypoints, self._people):
            self._say("person", *said, reason)
            return None
        pose = self.how.pose(row, keypoints)
        self._people.add(pose.id)
        for note in (self.how.area(row, keypoints)[1], counting_note(pose)):
            if note:
                self._say("note", *said, note)
        return pose

    def reject_people_of_unusable_images(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._say("person", row.get("id"), row.get("image_id"), "image row not usable")

    def _say(self, kind: str, row_id: object, image_id: object, reason: str) -> None:
        self.reject(Rejected(self.split, kind, str(row_id), str(image_id), reason))
