"""Drawn people in COCO's layout and json: the whole road without a download.

An image depends on (seed, split, its number) alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.datasets.coco import Coco
from data.datasets.sources.stick_pictures import draw_image
from data.ground.data_set import DataSet, Making, accept
from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Sample

MOST_IMAGES = 1_000_000  # of a split: their ids do not meet
LIKE = Coco()  # whose layout, json and skeleton it has


class StickFigures(DataSet):
    """Drawn people."""

    SKELETON = LIKE.SKELETON
    SPLITS = LIKE.SPLITS
    EVALUATORS = LIKE.EVALUATORS

    def truth_file(self, root: Path, split: str) -> Path:
        return LIKE.truth_file(root, split)

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        return LIKE.samples(root, split, reject)

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        return LIKE.truth(root, split)

    def make(self, making: Making) -> None:
        """Draws as many images of each split as the settings say, from their seed."""
        for split in self.SPLITS:
            count = _whole(making, f"{split}_images", None, 1, MOST_IMAGES)
            seed = _whole(making, "seed", 1, 0, 2**32 - 1)
            with making.counting(f"draw {split}", count) as drawn:
                draw_split(making.folder, split, count, seed, tell=drawn)


def _whole(making: Making, key: str, default: int | None, least: int, most: int) -> int:
    value = making.settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        accepted = f"a whole number, {least} to {most}"
        raise refusal(f"{making.where}.{key}", given=value, accepted=accepted)
    return value


def draw_split(
    root: Path, split: str, images: int, seed: int, tell: Callable[[], None] | None = None
) -> None:
    """Writes `images` jpgs and the json of a split in COCO's layout; `tell` hears of each image."""
    folder = LIKE.images_folder(root, split)
    folder.mkdir(parents=True, exist_ok=True)
    image_rows, people_rows = [], []
    for number in range(images):
        image_id = 1 + number + MOST_IMAGES * LIKE.SPLITS.index(split)
        rng = np.random.default_rng([seed, LIKE.SPLITS.index(split), number])
        picture, people = draw_image(rng)
        name, (height, width) = f"{image_id:012d}.jpg", picture.shape[:2]
        if not cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92]):
            do = "check space and permissions"
            raise refusal(folder / name, fault="cannot be written", do=do)
        image_rows.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for place, person in enumerate(people):
            ids = {"id": image_id * 10 + place, "image_id": image_id, "category_id": 1}
            people_rows.append(ids | person)
        if tell:
            tell()
    _write_json(LIKE.truth_file(root, split), seed, image_rows, people_rows)


def _write_json(path: Path, seed: int, images: list[Any], people: list[Any]) -> None:
    number = {name: i + 1 for i, name in enumerate(LIKE.SKELETON.keypoints)}
    limbs = [[number[a], number[b]] for a, b in LIKE.SKELETON.limbs]
    person = {"id": 1, "name": "person", "supercategory": "person",
              "keypoints": list(LIKE.SKELETON.keypoints), "skeleton": limbs}  # fmt: skip
    content = {"info": {"description": f"drawn people, seed {seed}"}, "categories": [person],
               "images": images, "annotations": people}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
