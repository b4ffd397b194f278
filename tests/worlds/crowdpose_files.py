"""Small files of CrowdPose, for the tests: two people in each of six images, four splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.datasets.crowdpose import CrowdPose


def write_source(root: Path) -> None:
    """Two images with two people each per split; trainval is both of its parts."""
    rng = np.random.default_rng(1)
    (root / "images").mkdir(parents=True)
    (root / "json").mkdir()
    numbers = {"train": [1, 2], "val": [3, 4], "trainval": [1, 2, 3, 4], "test": [5, 6]}
    category = {"id": 1, "name": "person", "keypoints": list(CrowdPose.SKELETON.keypoints)}
    for n in range(1, 7):
        picture = rng.integers(0, 256, (160, 200, 3), dtype=np.uint8)
        cv2.imwrite(str(root / "images" / f"{n}.jpg"), picture)
    for split, ids in numbers.items():
        images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 160,
                   "crowdIndex": [0.0, 0.9][n % 2]} for n in ids]  # fmt: skip
        people = [person(10 * n + k, n, 20 + 70 * k) for n in ids for k in range(2)]
        content = {"images": images, "annotations": people, "categories": [category]}
        (root / "json" / f"crowdpose_{split}.json").write_text(json.dumps(content))


def person(number: int, image_id: int, x: int) -> dict[str, Any]:
    keypoints = [v for k in range(14) for v in (x + 4 * k, 20 + 8 * k, 2)]
    return {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints,
            "bbox": [x - 5, 10, 70, 130], "iscrowd": 0, "num_keypoints": 14}  # fmt: skip
