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
from data.ground.sample import Rejected
from data.ground.skeleton import Skeleton
from pipelines.intake.regions import run_lengths
from pipelines.intake.splits import NOTE, Split


def write_split(folder: Path, split: Split, skeleton: Skeleton) -> None:
    """Regions that are not usable are noted among the split's rejected rows."""
    folder.mkdir()
    write_table(
        folder / "images.arrow",
        {
            "image_id": np.array([s.image_id for s in split.images], np.int64),
            "path": [s.image_path.relative_to(split.root).as_posix() for s in split.images],
            "width": np.array([s.width for s in split.images], np.int32),
            "height": np.array([s.height for s in split.images], np.int32),
            "crc32": np.array(split.crc32, np.int64),
        },
    )
    count, rows = len(skeleton.keypoints), [row for row, _, _ in split.people]
    poses = [pose for _, pose, _ in split.people]
    columns: dict[str, Column] = {
        "person_id": np.array([pose.id for pose in poses], np.int64),
        "image_row": np.array(rows, np.int64),
        "image_id": np.array([split.images[row].image_id for row in rows], np.int64),
        "box_image": np.array([box for _, _, box in split.people], np.float32),
        "area": np.array([pose.area for pose in poses], np.float32),
        "keypoints_image": np.array([p.keypoints_image for p in poses], np.float32).reshape(
            -1, 2 * count
        ),
        "visibility": np.array([pose.visibility for pose in poses], np.int8),
    }
    border = np.array([split.images[row].clip for row in rows], np.int8)
    if not border.all():
        columns["border"] = border
    counted = np.array([pose.counted_keypoints for pose in poses], np.int32)
    if (counted != [np.count_nonzero(pose.visibility) for pose in poses]).any():
        columns["num_keypoints"] = counted
    write_table(folder / "persons.arrow", columns)
    _write_ignore(folder / "ignore.arrow", split)


def _write_ignore(path: Path, split: Split) -> None:
    images = [split.images[row] for row, _, _ in split.ignore]
    rle = []
    for (_, pose, region), image in zip(split.ignore, images, strict=True):
        counts, why = run_lengths(region, pose, image.height, image.width)
        rle.append(counts)
        if why:
            said = split.name, NOTE, str(pose.id), str(image.image_id), why
            split.rejected.append(Rejected(*said))
    write_table(
        path,
        {
            "image_row": np.array([row for row, _, _ in split.ignore], np.int64),
            "is_crowd": np.array([pose.is_crowd for _, pose, _ in split.ignore], np.int8),
            "counts": rle,
            "height": np.array([image.height for image in images], np.int32),
            "width": np.array([image.width for image in images], np.int32),
        },
    )
