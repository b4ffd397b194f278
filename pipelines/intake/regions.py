"""Regions of labels, which anybody wrote, as run lengths that training decodes without a thought.

A segmentation is polygons or RLE (COCO's mask format). pycocotools believes both: run lengths that
are not the image's hang it or break its process, numbers without end eat the memory. So they are
read here first, and what is not right is the box instead, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask

from data.ground.json_text import finite, whole
from data.ground.sample import Pose

FAR = 1.0  # of the image's sides that a polygon may leave it on each side
LONGEST = 200  # outline, in the image's width and height together
MOST_PIXELS = 4_000_000  # of an outline, in any image
_BITS, _MORE, _SIGN = 0x1F, 0x20, 0x10  # of a character of COCO's compressed RLE
_FIRST, _LAST = 48, 48 + 63
_MOST_CHARACTERS = 7  # of one run length


def run_lengths(region: object, pose: Pose, height: int, width: int) -> tuple[str, str]:
    """(COCO's compressed RLE of a segmentation, "" or why it is the box's: the region is none).

    Of a person without a segmentation it is the box, and nothing is to be told.
    """
    if not region:
        return _of_box(pose, height, width), ""
    try:
        if isinstance(region, dict):
            return _of_rle(region, height, width), ""
        return _of_polygons(polygons(region), height, width), ""
    except ValueError as error:
        return _of_box(pose, height, width), f"region not usable, its box taken: {error}"


def polygons(region: object) -> list[np.ndarray]:
    """Corners [N, 2] of each, N at least 3, from COCO's flat lists or point pairs as labelme's.

    Raises ValueError for what is none. Those of fewer than 3 corners are left out.
    """
    if not isinstance(region, Sequence) or isinstance(region, str):
        raise ValueError("neither polygons nor run lengths")
    flat = [region] if _are_pairs(region) or not _are_lists(region) else region
    made = [_corners(polygon) for polygon in flat]
    kept = [corners for corners in made if len(corners) >= 3]
    if not kept:
        raise ValueError("polygons of fewer than 3 corners")
    return kept


def counts_of(text: str, pixels: int) -> np.ndarray:
    """Run lengths of COCO's compressed RLE. Raises ValueError where they are not `pixels` long."""
    if len(text) > _MOST_CHARACTERS * (pixels + 2):
        raise ValueError("longer run lengths than the image has pixels")
    made: list[int] = []
    value = place = 0
    for code in text.encode("utf-8", "replace"):
        if not _FIRST <= code <= _LAST or place >= _MOST_CHARACTERS:
            raise ValueError("no compressed run lengths")
        bits = code - _FIRST
        value |= (bits & _BITS) << (5 * place)
        place += 1
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << (5 * place)
        made.append(value + made[-2] if len(made) > 2 else value)
        value = place = 0
    if place:
        raise ValueError("compressed run lengths that are cut")
    return _checked(made, pixels)


def _of_rle(region: dict[str, object], height: int, width: int) -> str:
    size, counts = region.get("size"), region.get("counts")
    if not isinstance(size, list) or [whole(side) for side in size] != [height, width]:
        raise ValueError("run lengths of another size than the image's")
    if isinstance(counts, str):
        counts_of(counts, height * width)
        return counts
    if not isinstance(counts, list):
        raise ValueError("no run lengths")
    if len(counts) > 2 * (height * width + 1):
        raise ValueError("longer run lengths than the image has pixels")
    given = [whole(count) for count in counts]
    if None in given:
        raise ValueError("run lengths that are no whole numbers")
    made = _checked([count for count in given if count is not None], height * width)
    encoded = mask.frPyObjects({"size": [height, width], "counts": made.tolist()}, height, width)
    return str(encoded["counts"].decode())


def _checked(counts: Sequence[int], pixels: int) -> np.ndarray:
    if any(count < 0 or count > pixels for count in counts) or sum(counts) != pixels:
        raise ValueError("run lengths that are not the image's pixels in sum")
    return np.array(counts, dtype=np.int64)


def _of_polygons(made: Sequence[np.ndarray], height: int, width: int) -> str:
    side = np.array([width, height], dtype=np.float64)
    length = 0.0
    for corners in made:
        if (corners < -FAR * side).any() or (corners > (1 + FAR) * side).any():
            raise ValueError("polygon far outside the image")
        closed = np.concatenate([corners, corners[:1]])
        length += float(np.abs(np.diff(closed, axis=0)).max(axis=1).sum())
    if length > min(LONGEST * (width + height), MOST_PIXELS):
        raise ValueError("polygon of an endless outline")
    flat = [corners.ravel().tolist() for corners in made]
    return str(mask.merge(mask.frPyObjects(flat, height, width))["counts"].decode())


def _of_box(pose: Pose, height: int, width: int) -> str:
    """Of what of the box lies in the image."""
    x, y, w, h = pose.box_image
    left, right = (min(max(0.0, side), float(width)) for side in (x, x + w))
    top, bottom = (min(max(0.0, side), float(height)) for side in (y, y + h))
    corners = [[left, top, right, top, right, bottom, left, bottom]]
    return str(mask.merge(mask.frPyObjects(corners, height, width))["counts"].decode())


def _are_lists(region: Sequence[object]) -> bool:
    return all(isinstance(each, list) for each in region)


def _are_pairs(region: Sequence[object]) -> bool:
    """Whether a list is the points of one polygon: [[x, y], [x, y], ...]."""
    return all(
        isinstance(each, list) and len(each) == 2 and not any(isinstance(v, list) for v in each)
        for each in region
    )


def _corners(polygon: object) -> np.ndarray:
    if not isinstance(polygon, list):
        raise ValueError("neither polygons nor run lengths")
    if polygon and _are_pairs(polygon):
        polygon = [value for point in polygon for value in point]
    if len(polygon) % 2:
        raise ValueError("polygon of an odd number of values")
    numbers = [finite(value) for value in polygon]
    if None in numbers:
        raise ValueError("polygon with what is no finite number")
    return np.array(numbers, dtype=np.float64).reshape(-1, 2)
