"""Validation while training: every rank predicts its share, rank 0 scores all of them together.

Crops are cut into batches before the batches are dealt to the ranks, so each crop goes through the
network in the same company, and the metric is that of one process to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from torch import nn

from data.feeds.loader import LostWorkerError, losses_told, plainly, shard
from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.sample import Batch, Pose, WholeBatch
from data.ground.skeleton import Skeleton
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feed import Feed, SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.predictor import predict
from pipelines.prediction.readout import Predictions, join
from pipelines.prediction.split import split_feed
from pipelines.recipe.build import build_codec
from pipelines.recipe.datasets import data_set
from pipelines.training.compiling import as_written
from pipelines.training.device import PLAIN, DeviceUse, while_validating
from pipelines.training.job import Job, LoaderError
from pipelines.training.rank import Rank

SAMPLES = 2
DO = "mend the file and start again, or prepare the data anew, which leaves it out"
Truth = dict[int, list[Pose]]  # image id -> its people


@dataclass(frozen=True)
class Validation:
    """What a split is predicted from: its feed, this rank's share of the batches, its truth.

    `truth` is filled on rank 0 only; `sample`: some of the split, with what is to be found in them.
    """

    feed: Feed
    batches: Iterable[Batch] | Iterable[WholeBatch]
    truth: Truth
    sample: Batch | WholeBatch
    codec: Codec
    skeleton: Skeleton


def build_validation(job: Job, rank: Rank) -> Validation:
    """Raises ValueError where the split has no people."""
    recipe, codec = job.recipe, build_codec(job.recipe)
    labelled = data_set(recipe.dataset)
    place = SplitPlace(job.prepared, job.raw, recipe.evaluation.split)
    boxes = truth_boxes(place.prepared, place.split, codec.aligned)
    if not len(boxes):
        raise refusal(place.prepared / place.split, fault="no person to validate on")
    truth = labelled.truth(place.raw, place.split) if rank.is_main else {}
    samples = feed_kind(codec).samples(recipe, codec, place, augmented=False)
    sample = samples.first(min(SAMPLES, len(samples)))
    feed = split_feed(recipe, codec, place, boxes)
    batches = rank_batches(feed, job, rank)
    return Validation(feed, batches, truth, sample, codec, labelled.SKELETON)


def rank_batches(feed: Feed, job: Job, rank: Rank) -> Iterable[Batch] | Iterable[WholeBatch]:
    """This rank's share; loader processes for it, but a few batches are worth none."""
    groups = feed.groups(min(feed.validated, job.max_batch_per_worker))
    mine = [groups[n] for n in shard(len(groups), rank.rank, rank.world_size)]
    return feed.batches(mine, min(job.loader_workers, 2, len(mine) // 4))


def validate(
    network: nn.Module,
    on: Validation,
    job: Job,
    rank: Rank,
    use: DeviceUse = PLAIN,
    epoch: int = 0,
) -> tuple[dict[str, float], Predictions]:
    """({"AP@gt": ...} on every rank, all predictions in the order of boxes or images).

    Raises ValueError for an image that cannot be read, which names it and the epoch; LoaderError
    where a loader process is gone.
    """
    with while_validating(use), as_written(network):
        mine = predict(
            network,
            on.codec,
            on.skeleton,
            _beating(on.batches, rank, f"{job.name}: validation of epoch {epoch}"),
            rank.device,
            pixels=job.recipe.pixels,
            flip_test=job.recipe.evaluation.flip_test,
            precision=use.validates_in,
        )
    predictions = _in_order(join(rank.gather(mine), len(on.skeleton.keypoints)))
    rank.beat("scores, or waits for rank 0's scores")
    metrics = score(predictions, on, job) if rank.is_main else {}
    return rank.from_main(metrics), predictions


def _beating(batches: Iterable[Any], rank: Rank, where: str) -> Iterator[Any]:
    try:
        with losses_told(batches):
            for number, batch in enumerate(plainly(batches), start=1):
                rank.beat(f"validates on batch {number}")
                yield batch
    except ValueError as error:
        raise refusal(where, fault=str(error), do=DO) from error
    except LostWorkerError as error:
        raise LoaderError(
            f"{where}: a loader process of rank {rank.rank} was ended from outside, or by one of "
            f"its images ({error}). Where memory is short, lower loader_workers in params.yaml"
        ) from error
    rank.beat("validated its share")


def _in_order(predictions: Predictions) -> Predictions:
    order = np.argsort(predictions.sample_id, kind="stable")
    return Predictions(*(getattr(predictions, f.name)[order] for f in fields(Predictions)))


def score(predictions: Predictions, on: Validation, job: Job) -> dict[str, float]:
    """The evaluator's result over all images of the split, under names that say the protocol."""
    poses = on.feed.poses(predictions)
    evaluator = score_poses(job.recipe.evaluation.evaluator, on.skeleton, poses, on.truth)
    return name_protocol(evaluator.result(), on.feed.protocol)
