"""Small files of MPII in both layouts, for the tests: people by hand, one picture each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

NAMES = ["rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head",
         "rwri", "relb", "rsho", "lsho", "lelb", "lwri"]  # fmt: skip


def row(image: str, x: float = 100.0, **changes: Any) -> dict[str, Any]:
    """A row of HRNet's json: 16 keypoints on a slanted line, 1-based."""
    joints = [[x + 2.0 * k, 60.0 + 5.0 * k] for k in range(16)]
    given = {"image": image, "center": [x + 15, 100.0], "scale": 0.8,
             "joints": joints, "joints_vis": [1] * 16}  # fmt: skip
    return given | changes


def write_json(root: Path, train: Sequence[Any], valid: Sequence[Any]) -> None:
    """annot/{train,valid}.json, gt_valid.mat that agrees, and a picture of every image."""
    folder = root / "annot"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("valid", valid)):
        (folder / f"{name}.json").write_text(json.dumps(list(rows)))
    write_heads(folder / "gt_valid.mat", valid)
    write_images(root, sorted({r["image"] for r in (*train, *valid)}))


def write_heads(path: Path, rows: Sequence[Any]) -> None:
    positions = np.array([r["joints"] for r in rows], float).transpose(1, 2, 0)
    missing = 1 - np.array([r["joints_vis"] for r in rows]).T
    heads = np.array([[[10.0, 20.0], [40.0, 60.0]]] * len(rows)).transpose(1, 2, 0)
    joints = np.array([NAMES], dtype=object)
    savemat(path, {"pos_gt_src": positions, "jnt_missing": missing.astype(np.uint8),
                   "headboxes_src": heads, "dataset_joints": joints})  # fmt: skip


def write_images(root: Path, names: Sequence[str], size: tuple[int, int] = (240, 200)) -> None:
    (root / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for name in names:
        picture = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / name), picture)


def rectangle(**changes: Any) -> dict[str, Any]:
    """annorect of the official release."""
    points = np.array(
        [(100.0 + k, 60.0 + k, k, [1, 0][k % 2]) for k in range(16)],
        dtype=[("x", object), ("y", object), ("id", object), ("is_visible", object)],
    )
    given = {"x1": 10, "y1": 20, "x2": 40, "y2": 60, "scale": 0.8,
             "objpos": {"x": 115, "y": 100}, "annopoints": {"point": points}}  # fmt: skip
    return {key: value for key, value in (given | changes).items() if value is not None}


def write_release(
    root: Path, images: Sequence[tuple[str, Sequence[Any], int]], singles: Sequence[Any]
) -> None:
    """mpii_human_pose_v1_u12_1.mat: (name, annorects, img_train) of each image."""
    root.mkdir(parents=True, exist_ok=True)
    annolist = np.zeros(len(images), dtype=[("image", object), ("annorect", object)])
    for n, (name, rectangles, _) in enumerate(images):
        annolist[n] = ({"name": name}, _structs(rectangles))
    cells = np.empty((len(images), 1), dtype=object)
    cells[:, 0] = list(singles)
    release = {"annolist": annolist, "img_train": np.array([flag for *_, flag in images]),
               "single_person": cells}  # fmt: skip
    savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})


def _structs(rectangles: Sequence[dict[str, Any]]) -> Any:
    """A struct array; a field that a rectangle lacks is empty."""
    if not rectangles:
        return np.zeros((0, 0))
    fields = list(dict.fromkeys(key for each in rectangles for key in each))
    array = np.zeros(len(rectangles), dtype=[(name, object) for name in fields])
    for n, each in enumerate(rectangles):
        array[n] = tuple(each.get(name, np.zeros((0, 0))) for name in fields)
    return array
