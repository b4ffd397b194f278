"""Validation while training: every rank predicts its share, rank 0 scores all of them together.

Crops are cut into batches before the batches are dealt to the ranks, so each crop goes through the
network in the same company, and the metric is that of one process to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from data import DATASETS, EVALUATORS
from data.images import read_image
from data.loader import BoxDataset, build_loader, shard
from data.sample import Batch, Pose
from data.skeletons import Skeleton
from pipelines.check import build_codec
from pipelines.detections import Boxes, image_files, truth_boxes
from pipelines.pictures import page_of_people, write_picture
from pipelines.predictor import Predictions, poses_by_image, predict

if TYPE_CHECKING:
    from pipelines.ranks import Rank
    from pipelines.worker import Job

LARGEST_BATCH = 32
PICTURED = 15  # persons on a page: one large, the others around it


@dataclass(frozen=True)
class Validation:
    """The split's people by their true boxes (protocol `@gt`), this rank's share of them.

    `truth` is filled on rank 0 only.
    """

    boxes: Boxes
    paths: list[Path]
    batches: Iterable[Batch]
    truth: dict[int, list[Pose]]
    codec: Any
    skeleton: Skeleton


def build_validation(job: Job, rank: Rank) -> Validation:
    """Raises ValueError where the split has no people."""
    recipe, split = job.recipe, job.recipe.evaluation.split
    codec, module = build_codec(recipe), DATASETS[recipe.dataset]
    boxes = truth_boxes(job.prepared, split, codec.aligned)
    if not len(boxes):
        raise ValueError(f"{job.prepared / split}: no person to validate on")
    files = image_files(job.prepared, job.raw, split)
    paths = [files[int(image_id)] for image_id in boxes.image_id]
    size = min(LARGEST_BATCH, job.max_batch_per_worker)
    batches = [range(n, min(n + size, len(boxes))) for n in range(0, len(boxes), size)]
    mine = [row for n in shard(len(batches), rank.rank, rank.world_size) for row in batches[n]]
    dataset = BoxDataset(paths, boxes.box_image, job.input_size, codec.aligned)
    workers = min(job.loader_workers, 2, len(mine) // (4 * size))  # a few batches are worth none
    loader = build_loader(dataset, mine, size, workers)
    truth = module.truth(job.raw, split) if rank.is_main else {}
    return Validation(boxes, paths, loader, truth, codec, module.SKELETON)


def validate(
    network: nn.Module, on: Validation, job: Job, rank: Rank
) -> tuple[dict[str, float], Predictions]:
    """({"AP@gt": ...} on every rank, all predictions in the order of the boxes)."""
    flip = job.recipe.evaluation.flip_test
    given = (on.codec, on.skeleton, on.batches, job.input_size, rank.device)
    found = _join(rank.gather(predict(network, *given, flip_test=flip)))
    metrics = score(found, on, job) if rank.is_main else {}
    return rank.from_main(metrics), found


def _join(parts: list[Predictions]) -> Predictions:
    rows = np.concatenate([part.sample_id for part in parts])
    order = np.argsort(rows, kind="stable")
    return Predictions(
        rows[order],
        np.concatenate([part.keypoints_image for part in parts])[order],
        np.concatenate([part.scores for part in parts])[order],
    )


def score(found: Predictions, on: Validation, job: Job) -> dict[str, float]:
    """The evaluator's result over all images of the split, under names that say the protocol."""
    settings, sigmas = job.recipe.evaluation, on.skeleton.sigmas
    given = (on.boxes, job.input_size, on.codec.aligned, settings, sigmas)
    poses = poses_by_image(found, *given)
    evaluator = EVALUATORS[settings.evaluator](on.skeleton)
    for image_id, people in on.truth.items():
        evaluator.add(image_id, poses.get(image_id, []), people)
    return {f"{name}@gt": float(value) for name, value in evaluator.result().items()}


def draw_predictions(path: Path, found: Predictions, on: Validation, threshold: float) -> None:
    """A page of persons spread over the split, with what the network says of them."""
    people = []
    chosen = np.linspace(0, len(found.sample_id) - 1, min(PICTURED, len(found.sample_id)))
    for n in np.unique(chosen.astype(int)):
        row = int(found.sample_id[n])
        image = read_image(str(on.paths[row]))
        seen = np.where(found.scores[n] > threshold, 2, 0)
        x, y, width, height = (float(v) for v in on.boxes.box_image[row])
        pose = Pose(found.keypoints_image[n], seen, (x, y, width, height))
        people.append((image, pose, f"{found.scores[n].mean():.2f}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, page_of_people(people, on.skeleton))


def draw_batch(path: Path, batch: Batch, skeleton: Skeleton) -> None:
    """A page of training samples as the network sees them, with the keypoints it is to find."""
    people = []
    for n in range(min(PICTURED, len(batch.images))):
        image = batch.images[n].cpu().numpy()
        height, width = image.shape[:2]
        keypoints = batch.keypoints_input[n].cpu().double().numpy()
        view = (width * 0.1, height * 0.1, width * 0.8, height * 0.8)  # the page pads boxes by 1.25
        pose = Pose(keypoints, batch.visibility[n].cpu().numpy(), view)
        people.append((image, pose, f"sample {int(batch.sample_id[n])}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, page_of_people(people, skeleton))
