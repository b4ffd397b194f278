"""Labels of photos as they are stored, turned to the photos as people see them (EXIF)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.datasets.formats.labels import LabelledImage, LabelledPerson

# EXIF's orientation -> seen x and y, each -1 (from the far side) or 1, of which stored axis
SEEN = {
    2: ((-1, 0), (1, 1)), 3: ((-1, 0), (-1, 1)), 4: ((1, 0), (-1, 1)), 5: ((1, 1), (1, 0)),
    6: ((-1, 1), (1, 0)), 7: ((-1, 1), (-1, 0)), 8: ((1, 1), (-1, 0)),
}  # fmt: skip


def turned(image: LabelledImage, orientation: int) -> LabelledImage:
    """The image of which width and height are as stored, with all places as it is seen.

    A keypoint stays on its pixel: from the far side, x becomes width - 1 - x; a box, which holds
    whole pixels, its pixels.
    """
    if orientation not in SEEN:
        return image
    sides = np.array([image.width, image.height], dtype=float)
    (sign_x, from_x), (sign_y, from_y) = SEEN[orientation]
    signs, axes = np.array([sign_x, sign_y]), [from_x, from_y]

    def person(each: LabelledPerson) -> LabelledPerson:
        points = each.keypoints_image[:, axes]
        points = np.where(signs < 0, sides[axes] - 1 - points, points)
        if each.box_image is None:
            return replace(each, keypoints_image=points)
        low, extent = np.array(each.box_image[:2])[axes], np.array(each.box_image[2:])[axes]
        low = np.where(signs < 0, sides[axes] - low - extent, low)
        x, y, width, height = (float(value) for value in (*low, *extent))
        return replace(each, keypoints_image=points, box_image=(x, y, width, height))

    width, height = (int(side) for side in sides[axes])
    return replace(image, width=width, height=height, people=tuple(map(person, image.people)))
