"""Validation while training: every rank predicts its share, rank 0 scores all of them together.

Crops are cut into batches before the batches are dealt to the ranks, so each crop goes through the
network in the same company, and the metric is that of one process to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from data import DATASETS
from data.feeds.loader import build_loader, shard
from data.feeds.person_crops import BoxDataset
from data.ground.sample import Batch, Pose, WholeBatch
from data.ground.skeletons import Skeleton
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.intake.prepared import image_files, image_sizes
from pipelines.prediction.boxes import Boxes, truth_boxes
from pipelines.prediction.feeds import same_size_batches, samples_of, whole_batches
from pipelines.prediction.poses import people_by_image, poses_by_image
from pipelines.prediction.predictor import Predictions, join, predict
from pipelines.recipe.build import build_codec
from pipelines.training.job import Job
from pipelines.training.rank import Rank

LARGEST_BATCH = 32
LARGEST_WHOLE_BATCH = 8
SAMPLES = 2
Truth = dict[int, list[Pose]]  # image id -> its people


@dataclass(frozen=True)
class Validation:
    """What a split is predicted from: true boxes (protocol `gt`), or whole images (`image`).

    `paths` [M] of every box's or whole image's file; `batches`: this rank's share of them;
    `truth` is filled on rank 0 only.
    """

    protocol: str
    boxes: Boxes | None
    image_ids: Sequence[int]
    paths: list[Path]
    batches: Iterable[Batch] | Iterable[WholeBatch]
    truth: Truth
    sample: Batch | WholeBatch  # some of the split, with what is to be found in them
    codec: Any
    skeleton: Skeleton


def build_validation(job: Job, rank: Rank) -> Validation:
    """Raises ValueError where the split has no people."""
    split, codec = job.recipe.evaluation.split, build_codec(job.recipe)
    module = DATASETS[job.recipe.dataset]
    boxes = truth_boxes(job.prepared, split, codec.aligned)
    if not len(boxes):
        raise ValueError(f"{job.prepared / split}: no person to validate on")
    truth = module.truth(job.raw, split) if rank.is_main else {}
    files = image_files(job.prepared, job.raw, split)
    samples = samples_of(job.recipe, codec, job.prepared, job.raw, split, augmented=False)
    some = samples.first(min(SAMPLES, len(samples)))
    if codec.whole_image:
        given = _images(job, rank, codec, files)
        return Validation("image", None, *given, truth, some, codec, module.SKELETON)
    crops = _crops(job, rank, codec, boxes, files)
    return Validation("gt", boxes, *crops, truth, some, codec, module.SKELETON)


def _crops(
    job: Job, rank: Rank, codec: Any, boxes: Boxes, files: Mapping[int, Path]
) -> tuple[list[int], list[Path], Iterable[Batch]]:
    """Image id and file of every box, this rank's batches."""
    ids = [int(image_id) for image_id in boxes.image_id]
    paths = [files[image_id] for image_id in ids]
    size = min(LARGEST_BATCH, job.max_batch_per_worker)
    batches = [list(range(n, min(n + size, len(ids)))) for n in range(0, len(ids), size)]
    mine = [batches[n] for n in shard(len(batches), rank.rank, rank.world_size)]
    dataset = BoxDataset(paths, boxes.box_image, job.input_size, codec.aligned)
    return ids, paths, build_loader(dataset, batches=mine, workers=_workers(job, len(mine)))


def _images(
    job: Job, rank: Rank, codec: Any, files: Mapping[int, Path]
) -> tuple[list[int], list[Path], Iterable[WholeBatch]]:
    """Id and file of every image, this rank's batches."""
    sizes = image_sizes(job.prepared, job.recipe.evaluation.split)
    ids, paths = list(files), list(files.values())
    most = min(LARGEST_WHOLE_BATCH, job.max_batch_per_worker)
    batches = same_size_batches([sizes[image_id] for image_id in ids], most)
    mine = [batches[n] for n in shard(len(batches), rank.rank, rank.world_size)]
    return ids, paths, whole_batches(job.recipe, codec, paths, mine, _workers(job, len(mine)))


def _workers(job: Job, batches: int) -> int:
    """Loader processes: a few batches are worth none."""
    return min(job.loader_workers, 2, batches // 4)


def validate(
    network: nn.Module, on: Validation, job: Job, rank: Rank
) -> tuple[dict[str, float], Predictions]:
    """({"AP@gt": ...} on every rank, all predictions in the order of boxes or images)."""
    flip = job.recipe.evaluation.flip_test
    mine = predict(network, on.codec, on.skeleton, on.batches, rank.device, flip_test=flip)
    found = _in_order(join(rank.gather(mine), len(on.skeleton.keypoints)))
    metrics = score(found, on, job) if rank.is_main else {}
    return rank.from_main(metrics), found


def _in_order(found: Predictions) -> Predictions:
    order = np.argsort(found.sample_id, kind="stable")
    return Predictions(*(getattr(found, f.name)[order] for f in fields(Predictions)))


def score(found: Predictions, on: Validation, job: Job) -> dict[str, float]:
    """The evaluator's result over all images of the split, under names that say the protocol."""
    settings, sigmas = job.recipe.evaluation, on.skeleton.sigmas
    if on.boxes is None:
        poses = people_by_image(found, on.image_ids)
    else:
        given = (on.boxes, job.input_size, on.codec.aligned, settings, sigmas)
        poses = poses_by_image(found, *given)
    evaluator = score_poses(settings.evaluator, on.skeleton, poses, on.truth)
    return name_protocol(evaluator.result(), on.protocol)
