"""The checked rows of a split as tables: images, persons, regions to ignore.

images.arrow: image_id, path below the raw data (`as_seen` where it is read turned), width, height,
crc32. persons.arrow: person_id, image_row, image_id, box_image [4] (x, y, w, h), area,
keypoints_image [2 K], visibility [K] and, where boxes are views of an annotator, border (0: DARK's
code does not make them a pixel larger, as it does COCO's); where the file counts keypoints
otherwise than its flags do, num_keypoints.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.files.table import Column, write_table
from data.ground.skeleton import Skeleton
from pipelines.intake.splits import Split


def write_split(folder: Path, split: Split, skeleton: Skeleton) -> None:
    folder.mkdir()
    images = split.images
    write_table(
        folder / "images.arrow",
        {
            "image_id": np.array([image.image_id for image in images], np.int64),
            "path": [image.path for image in images],
            "width": np.array([image.width for image in images], np.int32),
            "height": np.array([image.height for image in images], np.int32),
            "crc32": np.array([image.crc32 for image in images], np.int64),
        },
    )
    write_table(folder / "persons.arrow", _persons(split, len(skeleton.keypoints)))
    ignored = [images[row.image_row] for row in split.ignore]
    write_table(
        folder / "ignore.arrow",
        {
            "image_row": np.array([row.image_row for row in split.ignore], np.int64),
            "is_crowd": np.array([row.is_crowd for row in split.ignore], np.int8),
            "counts": [row.counts for row in split.ignore],
            "height": np.array([image.height for image in ignored], np.int32),
            "width": np.array([image.width for image in ignored], np.int32),
        },
    )


def _persons(split: Split, keypoints: int) -> dict[str, Column]:
    columns = split.people.columns(keypoints)
    rows, counted = columns["image_row"], columns.pop("num_keypoints")
    image_ids = np.array([image.image_id for image in split.images], np.int64)
    made: dict[str, Column] = {
        "person_id": columns["person_id"],
        "image_row": rows,
        "image_id": image_ids[rows],
        **{name: columns[name] for name in ("box_image", "area", "keypoints_image", "visibility")},
    }
    border = np.array([image.clip for image in split.images], np.int8)[rows]
    if not border.all():
        made["border"] = border
    if (counted != np.count_nonzero(columns["visibility"], axis=1)).any():
        made["num_keypoints"] = counted
    return made
