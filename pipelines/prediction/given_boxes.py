"""People's boxes of any photos and videos, from a file that somebody gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.ground.json_text import A_SCORE, LONGEST, finite, read_json, score_of, whole
from data.ground.refusal import refusal, shown
from data.ground.skeleton import Skeleton
from pipelines.media.journal import stem_number
from pipelines.media.photos import SUFFIXES as PHOTOS
from pipelines.prediction.reader import People

PERSON, NAME = 1, "person"  # COCO's category
ACCEPTED = (
    "a list of COCO results (image_id or file_name, bbox, score), or an annotation file with "
    "`images` and `annotations`"
)
Key = tuple[str | int, int | None]  # a file's name or an image's id; which picture of a video


class GivenBoxes:
    """Boxes by the name of their file, or by number: of a photo the one that it is named by, of a
    video which picture it is, from 0."""

    def __init__(self, people: Mapping[Key, People]) -> None:
        self._people = dict(people)
        self.asked = self.unknown = 0  # photos and frames; those that the file says nothing of
        last: dict[Key, set[Key]] = {}
        for name, frame in people:
            if isinstance(name, str):
                last.setdefault((PurePosixPath(name).name, frame), set()).add((name, frame))
        self._last = {short: keys.pop() for short, keys in last.items() if len(keys) == 1}

    def of(self, frame_name: str, index: int = 0) -> People | None:
        """People of a photo, or of picture `index` of a video; None where the file says nothing.

        frame_name: as `Frame.name`. A file is found by its path below the folder, else by its last
        name where that is one alone.
        """
        photo = PurePosixPath(frame_name).suffix.lower() in PHOTOS and index == 0
        short = PurePosixPath(frame_name).name
        number = stem_number(frame_name) if photo else index
        keys: list[Key] = [(frame_name, index), *([(frame_name, None)] if photo else [])]
        keys += [self._last.get(key, key) for key in ((short, index), (short, None))]
        keys = [*keys[:-1], *(keys[-1:] if photo else [])]
        keys += [] if number is None else [(number, None)]
        found = next((self._people[key] for key in keys if key in self._people), None)
        self.asked, self.unknown = self.asked + 1, self.unknown + (found is None)
        return found

    __call__ = of

    def __len__(self) -> int:
        """How many boxes."""
        return sum(len(each.score) for each in self._people.values())


@dataclass(frozen=True)
class _Row:
    keys: tuple[Key, ...]
    box: tuple[float, ...]
    score: float


def read_given_boxes(path: Path, skeleton: Skeleton) -> GivenBoxes:
    """COCO results, or annotations with their images; categories other than people are left out.

    An image of an annotation file without boxes has nobody. skeleton: of the network; a category
    with other keypoints is another creature's. Raises ValueError that names file and row.
    """
    content = read_json(path)
    images: dict[int, tuple[Key, ...]] = {}
    people = {PERSON}
    if isinstance(content, dict):
        people = _categories(path, content.get("categories"), skeleton)
        images = dict(_images(path, content.get("images")))
        content = content.get("annotations")
    if not isinstance(content, list):
        raise refusal(path, fault="no list of boxes in it", accepted=ACCEPTED)
    rows = [row for n, each in enumerate(content) if (row := _row(path, n, each, images, people))]
    if content and not rows and not images:
        do = f"write category_id {PERSON} for people"
        raise refusal(path, fault="no row is a person's box", accepted=ACCEPTED, do=do)
    found: dict[Key, list[_Row]] = {key: [] for keys in images.values() for key in keys}
    for row in rows:
        for key in row.keys:
            found.setdefault(key, []).append(row)
    return GivenBoxes({key: _people(each) for key, each in found.items()})


def _people(rows: list[_Row]) -> People:
    boxes = np.array([row.box for row in rows], dtype=np.float64).reshape(-1, 4)
    return People(boxes, np.array([row.score for row in rows], dtype=np.float64))


def _images(path: Path, given: object) -> Iterator[tuple[int, tuple[Key, ...]]]:
    """By id the keys that an image is found by: its file's name, its id."""
    for n, image in enumerate(given if isinstance(given, list) else []):
        number = whole(image.get("id")) if isinstance(image, dict) else None
        if number is None:
            accepted = "id, a whole number, and file_name"
            raise refusal(f"{path}: images[{n}]", given=image, accepted=accepted)
        yield number, _keys(image, number)


def _keys(row: Mapping[str, Any], number: int | None) -> tuple[Key, ...]:
    """With a name its number counts only where it is named by it: others count their images."""
    name, frame = row.get("file_name"), whole(row.get("frame"))
    if isinstance(name, str) and name:
        own = number is not None and frame is None and stem_number(name) == number
        return ((name, frame), *(((number, None),) if own and number is not None else ()))
    alone = number if frame is None else frame
    return () if alone is None else ((alone, None),)


def _categories(path: Path, given: object, skeleton: Skeleton) -> set[int]:
    """Ids of people: named so, else the only one, else COCO's."""
    listed = [each for each in (given if isinstance(given, list) else []) if isinstance(each, dict)]
    named = [each for each in listed if each.get("name") == NAME]
    people = named or (listed if len(listed) == 1 else [])
    for each in people:
        keypoints = each.get("keypoints")
        if keypoints and keypoints != list(skeleton.keypoints):
            names = keypoints if isinstance(keypoints, list) else [keypoints]
            fault = f"its people have keypoints {', '.join(map(str, names))[:300]}"
            accepted = f"{', '.join(skeleton.keypoints)}, which the network reads ({skeleton.name})"
            raise refusal(f"{path}: categories", fault=fault, accepted=accepted)
    return {number for each in people if (number := whole(each.get("id"))) is not None} or {PERSON}


def _row(
    path: Path,
    n: int,
    row: object,
    images: Mapping[int, tuple[Key, ...]],
    people: set[int],
) -> _Row | None:
    """None of other categories, crowds, and boxes without a side."""
    where = f"{path}: row {n}"
    if not isinstance(row, dict):
        raise refusal(where, given=row, accepted=ACCEPTED)
    category = whole(row.get("category_id", min(people)))
    if category is None:
        given = row["category_id"]
        raise refusal(f"{where}: category_id", given=given, accepted="a whole number")
    if category not in people or row.get("iscrowd"):
        return None
    number = whole(row.get("image_id"))
    if images and number not in images:
        fault = f"image_id {shown(row.get('image_id'))} is none of the {len(images)} images"
        raise refusal(where, fault=fault)
    keys = images[number] if images and number is not None else _keys(row, number)
    if not keys:
        raise refusal(where, fault="no image_id, file_name or frame", accepted=ACCEPTED)
    box = row.get("bbox", row.get("box"))
    sides = [finite(each) for each in box] if isinstance(box, list) else []
    numbers = tuple(each for each in sides if each is not None)
    beyond = max(map(abs, numbers), default=0) > LONGEST
    if len(numbers) != 4 or len(sides) != 4 or min(numbers[2:]) < 0 or beyond:
        accepted = f"x, y, width, height: finite, up to {LONGEST:,.0f}, no side below 0"
        raise refusal(f"{where}: bbox", given=box, accepted=accepted)
    score = score_of(row.get("score", 1.0))
    if score is None:
        raise refusal(f"{where}: score", given=row["score"], accepted=A_SCORE)
    return _Row(keys, numbers, score) if min(numbers[2:]) > 0 else None
