"""MPII's Matlab files: the official release as one row per person, and gt_valid.mat.

In the release any field may be absent or empty, one of a kind is no list, and flags are text in
places; a row here has the keys of HRNet's json, and those that only the release knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.sources.mat_child import read_apart
from data.ground.refusal import refusal

KEYPOINTS = 16
RECTANGLES = 1000  # more than any image has: ids are RECTANGLES x image + rectangle
OCCLUDED, VISIBLE = 1, 2


def mat_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Everybody in training images: {id, image, center, scale, joints, joints_vis (1-based)},

    visibility (0, 1, 2), head_box [x1, y1, x2, y2] or None, single (far enough from others).
    Rectangles with neither keypoints nor a place are nobody. ValueError where it is no release.
    """
    release = load_mat(path, "MPII's official release").get("RELEASE")
    images = _list(_part(release, "annolist"))
    training = [_number(flag) == 1 for flag in _list(_part(release, "img_train"))]
    if release is None or not images or len(training) != len(images):
        fault = "no RELEASE with annolist and img_train"
        accepted = "MPII's official mpii_human_pose_v1_u12_1.mat"
        raise refusal(path, fault=fault, accepted=accepted)
    singles = _singles(release, len(images))
    for number, (image, wanted, single) in enumerate(zip(images, training, singles, strict=True)):
        if not wanted:
            continue
        name = _part(_part(image, "image"), "name")
        for place, rectangle in enumerate(_list(_part(image, "annorect"))):
            row = _row(rectangle)
            if row["joints_vis"].any() or row["center"] is not None:
                alone = single is None or place + 1 in single
                yield {"id": RECTANGLES * number + place, "image": name, "single": alone, **row}


def load_mat(path: Path, accepted: str) -> dict[str, Any]:
    """Variables of a Matlab file as plain data, one of a kind unwrapped. ValueError names it."""
    if not path.is_file():
        raise refusal(path, fault="no such file", accepted=accepted)
    try:
        return read_apart(path)
    except (ValueError, OSError) as error:
        raise refusal(path, fault=f"not readable ({error})", accepted=accepted) from error


def gt_valid(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(positions [N, 16, 2], labelled [N, 16], head boxes [N, 4] x1 y1 x2 y2), 1-based."""
    accepted = "MPII's gt_valid.mat, which comes with HRNet's json"
    variables = load_mat(path, accepted)
    try:
        arrays = {
            name: np.asarray(variables[name], dtype=np.float64)
            for name in ("pos_gt_src", "jnt_missing", "headboxes_src")
        }
        positions = arrays["pos_gt_src"].reshape(KEYPOINTS, 2, -1)
        missing = arrays["jnt_missing"].reshape(KEYPOINTS, -1)
        heads = arrays["headboxes_src"].reshape(2, 2, -1)
    except (KeyError, TypeError, ValueError) as error:
        raise refusal(path, fault=f"lacks or has another {error}", accepted=accepted) from error
    if not positions.shape[-1] == missing.shape[-1] == heads.shape[-1]:
        raise refusal(path, fault="arrays of other lengths", accepted=accepted)
    people = heads.shape[-1]
    return positions.transpose(2, 0, 1), 1 - missing.T, heads.reshape(4, people).T


def _row(rectangle: Any) -> dict[str, Any]:
    joints, visibility = _keypoints(_part(rectangle, "annopoints"))
    place = _part(rectangle, "objpos")
    center = [_number(_part(place, axis)) for axis in ("x", "y")]
    scale = _number(_part(rectangle, "scale"))
    head = [_number(_part(rectangle, side)) for side in ("x1", "y1", "x2", "y2")]
    return {
        "center": center if np.isfinite(center).all() else None,
        "scale": scale if np.isfinite(scale) else None,
        "joints": joints,
        "joints_vis": (visibility > 0).astype(np.int64),
        "visibility": visibility,
        "head_box": head if np.isfinite(head).all() else None,
    }


def _keypoints(annopoints: Any) -> tuple[np.ndarray, np.ndarray]:
    """Positions [16, 2] (NaN where a point's are no numbers) and visibility [16]."""
    joints, visibility = np.zeros((KEYPOINTS, 2)), np.zeros(KEYPOINTS, np.int64)
    for point in _list(_part(annopoints, "point")):
        which = _number(_part(point, "id"))
        if which not in range(KEYPOINTS):
            continue
        k = int(which)
        joints[k] = [_number(_part(point, axis)) for axis in ("x", "y")]
        hidden = _number(_part(point, "is_visible")) == 0
        visibility[k] = OCCLUDED if hidden else VISIBLE
    return joints, visibility


def _singles(release: Any, images: int) -> list[set[int] | None]:
    """Per image the numbers (from 1) of people far enough from others; None: nothing is said."""
    given = _part(release, "single_person")
    if given is None:
        return [None] * images
    each = given if isinstance(given, list) and images > 1 else [given]
    each = [*each, *[None] * (images - len(each))]
    return [
        None if one is None else {int(n) for n in map(_number, _list(one)) if np.isfinite(n)}
        for one in each
    ]


def _part(struct: Any, name: str) -> Any:
    """A field of one of Matlab's structs; None where there is no such thing."""
    return struct.get(name) if isinstance(struct, dict) else None


def _list(value: Any) -> list[Any]:
    """Matlab's lists: nothing, one of a kind, or an array."""
    if value is None:
        return []
    if not isinstance(value, list):
        return [value]
    return [each for part in value for each in (_list(part) if isinstance(part, list) else [part])]


def _number(value: Any) -> float:
    """A number, also where it is text; NaN where there is none."""
    try:
        return float(np.asarray(value, dtype=np.float64).reshape(()))
    except (TypeError, ValueError, OverflowError):
        return float("nan")
