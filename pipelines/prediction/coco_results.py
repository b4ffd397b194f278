"""Poses in COCO's results format, out and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.ground.json_text import finite, read_json, score_of, whole
from data.ground.refusal import refusal
from data.ground.sample import Pose, box_around
from pipelines.prediction.boxes import PERSON


def read_predictions(path: Path, threshold: float, keypoints: int) -> dict[int, list[Pose]]:
    """COCO results rows as poses, of so many keypoints; those of a score up to `threshold` are not
    drawn. Raises ValueError that names file and row."""
    found: dict[int, list[Pose]] = {}
    for number, row in enumerate(_rows(path)):
        given = row if isinstance(row, dict) else {}
        image, score = whole(given.get("image_id")), score_of(given.get("score"))
        columns = _columns(given.get("keypoints"), keypoints)
        if image is None or score is None or columns is None:
            accepted = f"image_id, score and {keypoints} keypoints [x, y, score, ...], all finite"
            raise refusal(f"{path}: row {number}", fault="malformed", accepted=accepted)
        points, scores = np.ascontiguousarray(columns[:, :2]), columns[:, 2]
        shown = np.where(scores > threshold, 2, 0)
        pose = Pose(points, shown, box_around(points), score=score, keypoint_scores=scores)
        found.setdefault(image, []).append(pose)
    return found


def _columns(values: object, keypoints: int) -> np.ndarray | None:
    """float64 [K, 3] (x, y, score); None where they are not that many finite numbers."""
    given = [finite(each) for each in values] if isinstance(values, list) else []
    numbers = [each for each in given if each is not None]
    if len(given) != 3 * keypoints or len(numbers) != len(given):
        return None
    return np.array(numbers).reshape(-1, 3)


def _rows(path: Path) -> list[Any]:
    rows = read_json(path)
    if not isinstance(rows, list):
        raise refusal(path, fault=f"holds {type(rows).__name__}", accepted="a list of rows")
    return rows


def read_image_info(path: Path, folder: Path) -> dict[int, Path]:
    """Image id -> file of an official `image_info_*.json` (test-dev's has no annotations).

    Files lie below `folder` as the list names them, or all in it by their last names, as COCO's.
    Raises ValueError for rows without id and name, and for two ids of one file or one id twice.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        official = "COCO's image_info_test-dev2017.json"
        raise refusal(path, fault="no list `images`", accepted=official)
    files: dict[int, Path] = {}
    owner: dict[Path, int] = {}
    for n, row in enumerate(content["images"]):
        where = f"{path}: images[{n}]"
        number, name = _id_and_name(where, row)
        file = folder / name
        if not file.is_file():
            file = folder / PurePosixPath(name).name
        if number in files or owner.setdefault(file, number) != number:
            fault = (
                f"id {number} twice" if number in files else f"{file} is image {owner[file]} too"
            )
            raise refusal(where, fault=fault, accepted="one id and one file per image")
        files[number] = file
    return files


def _id_and_name(where: str, row: object) -> tuple[int, str]:
    given = row if isinstance(row, dict) else {}
    number, name = whole(given.get("id")), given.get("file_name")
    if number is None or not isinstance(name, str) or not name:
        raise refusal(where, given=row, accepted="id, a whole number, and file_name")
    path = PurePosixPath(name)
    return number, path.name if path.is_absolute() or ".." in path.parts else name


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
