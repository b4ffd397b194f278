"""Poses in COCO's results format, out and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose, box_around
from pipelines.prediction.boxes import PERSON, read_json


def read_predictions(path: Path, threshold: float) -> dict[int, list[Pose]]:
    """COCO results rows as poses; keypoints of a score up to `threshold` are not drawn."""
    found: dict[int, list[Pose]] = {}
    for row in json.loads(path.read_text()):
        columns = np.array(row["keypoints"], dtype=np.float64).reshape(-1, 3)
        points, scores = np.ascontiguousarray(columns[:, :2]), columns[:, 2]
        shown = np.where(scores > threshold, 2, 0)
        pose = Pose(points, shown, box_around(points), score=row["score"], keypoint_scores=scores)
        found.setdefault(row["image_id"], []).append(pose)
    return found


def read_image_info(path: Path, folder: Path) -> dict[int, Path]:
    """Image id -> file of an official `image_info_*.json` (test-dev's has no annotations)."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        official = "COCO's image_info_test-dev2017.json"
        raise refusal(path, fault="no list `images`", accepted=official)
    files: dict[int, Path] = {}
    for n, row in enumerate(content["images"]):
        if not isinstance(row, dict) or not {"id", "file_name"} <= set(row):
            raise refusal(f"{path}: images[{n}]", given=row, accepted="id and file_name")
        files[int(row["id"])] = folder / Path(str(row["file_name"])).name
    return files


def results_rows(poses: Mapping[int, Sequence[Pose]]) -> list[dict[str, Any]]:
    """COCO results format, per image id and best first; keypoints as x, y, score.

    No `bbox`: pycocotools would take the rows for boxes.
    """
    return [_results_row(image_id, pose) for image_id in poses for pose in poses[image_id]]


def official_name(algorithm: str) -> str:
    """The name that COCO's server asks for."""
    return f"person_keypoints_test-dev2017_{algorithm}_results.json"


def _results_row(image_id: int, pose: Pose) -> dict[str, Any]:
    scores = pose.keypoint_scores
    assert scores is not None, "a predicted pose has keypoint scores"
    columns = np.column_stack([pose.keypoints_image, scores]).astype(np.float64)
    return {
        "image_id": image_id,
        "category_id": PERSON,
        "keypoints": columns.ravel().tolist(),
        "score": pose.score,
    }
