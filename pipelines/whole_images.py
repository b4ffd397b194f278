"""Whole images in batches of one size, and the people read from them (bottom-up codecs)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.loader import build_loader
from data.resized_images import ResizedDataset
from data.sample import Pose, box_around
from data.table import Table
from data.whole_image import collate_whole
from pipelines.predictor import ByImage, Predictions
from pipelines.recipe import Recipe


def image_sizes(prepared: Path, split: str) -> dict[int, tuple[int, int]]:
    """Image id -> (width, height) of the prepared split."""
    table = Table(prepared / split / "images.arrow")
    columns = (table[name].tolist() for name in ("image_id", "width", "height"))
    return {i: (width, height) for i, width, height in zip(*columns, strict=True)}


def same_size_batches(sizes: Sequence[tuple[int, int]], most: int) -> list[list[int]]:
    """Rows in batches of at most `most`, each of images of one size, in the order of sizes."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, size in enumerate(sizes):
        groups.setdefault(size, []).append(row)
    return [
        rows[start : start + most]
        for rows in (groups[size] for size in sorted(groups))
        for start in range(0, len(rows), most)
    ]


def whole_batches(
    recipe: Recipe, codec: Any, paths: Sequence[Path], batches: Sequence[list[int]], workers: int
) -> Any:
    """`WholeBatch`es of the rows of `paths` that each of `batches` names, at all scales."""
    size, scales = min(recipe.input_size), recipe.evaluation.scales
    dataset = ResizedDataset(paths, codec.resize, size, scales)
    return build_loader(dataset, batches=batches, workers=workers, collate=collate_whole)


def people_by_image(found: Predictions, image_ids: Sequence[int]) -> ByImage:
    """Poses of every image, best first; `sample_id` are rows of `image_ids`.

    A pose's box and area span the keypoints that were found (score above 0).
    """
    people: ByImage = {int(image_id): [] for image_id in image_ids}
    for n in np.argsort(-found.pose_scores, kind="stable"):
        keypoints, scores = found.keypoints_image[n], found.scores[n]
        seen = scores > 0
        box = box_around(keypoints[seen] if seen.any() else keypoints)
        pose = Pose(
            keypoints_image=keypoints,
            visibility=np.where(seen, 2, 0),
            box_image=box,
            area=box[2] * box[3],
            id=int(n),
            score=float(found.pose_scores[n]),
            keypoint_scores=scores,
        )
        people[int(image_ids[int(found.sample_id[n])])].append(pose)
    return people
