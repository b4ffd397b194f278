"""Results of trainings that never ran, as train and evaluate write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.evaluators.matching.matches import OksMatches
from data.evaluators.pckh import PckhMatches
from data.ground.evaluator import Matches
from pipelines.evaluation.record import BoxesFrom, Counts, EvaluationRecord, NetworkCost, Settings
from pipelines.host import places
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.record import TrainingRecord

OWN_BOXES = BoxesFrom("nanodet", False, "b" * 64, "gfl", "a" * 64, 0.323, 0.568, 0.43)
BROUGHT_BOXES = BoxesFrom("COCO_val2017_detections_AP_H_56_person.json", True, "c" * 64)
IMAGES, PER_IMAGE, THRESHOLDS = 60, 2, 10
COST = NetworkCost(params=1_000_000, exact_g=0.5, exact_gi=0.47, hr_g=0.5, hr_gi=0.47)


def recipe(seed: int = 1, **codec: Any) -> Recipe:
    """SimpleBaseline's demo variant at 64x64."""
    content = {
        "dataset": "stick_figures",
        "seed": seed,
        "input_size": [64, 64],
        "architecture": {"name": "simple_baseline", "variant": "demo"},
        "codec": {"name": "heatmap", "options": codec},
        "losses": {"heatmaps": {"name": "keypoint_mse"}},
        "augmentation": {},
        "optimizer": {"name": "adam", "learning_rate": 1.0e-3},
        "schedule": {"name": "cosine"},
        "training": {"epochs": 1, "global_batch": 8},
        "evaluation": {"evaluator": "oks"},
    }
    return read_recipe(content, "test")


def write_results(
    name: str,
    *,
    quality: float = 0.8,
    seed: int = 1,
    data_hash: str = "d" * 64,
    protocols: tuple[str, ...] = ("gt",),
    cost: NetworkCost = COST,
    boxes_from: BoxesFrom | None = None,
    **codec: Any,
) -> None:
    """results/<name>/trained and /evaluation, as train and evaluate leave them."""
    made = recipe(seed, **codec)
    training = training_record(name, made, data_hash)
    write_trained(made, training)
    record = evaluation_record(training, made, dict.fromkeys(protocols, quality))
    write_evaluation(
        places.evaluated(name),
        replace(record, cost=cost, boxes_from=boxes_from),
        dict.fromkeys(protocols, hits(quality)),
    )


def training_record(name: str, made: Recipe, data_hash: str) -> TrainingRecord:
    return TrainingRecord(
        recipe=name,
        fingerprint=f"{name}-{made.seed}-{data_hash}",
        recipe_digest=made.digest(),
        data_hash=data_hash,
        run_id=None,
        best_epoch=1,
        epochs=1,
        steps=10,
        samples_per_second=123.4,
        hours=1.5,
    )


def write_trained(made: Recipe, record: TrainingRecord) -> None:
    """best.pt of random weights, and summary.json."""
    folder = places.trained(record.recipe)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(made.seed)
    state = build_architecture(made).state_dict()
    best = BestWeights(made.as_dict(), state, 1, record.fingerprint, record.data_hash)
    best.write(folder / places.BEST_WEIGHTS)
    record.write(folder)


def evaluation_record(
    training: TrainingRecord, made: Recipe, values: dict[str, float], metric: str = "AP"
) -> EvaluationRecord:
    """Of a training; values: of the metric, by protocol."""
    settings = made.evaluation
    return EvaluationRecord(
        recipe=training.recipe,
        run_id=training.run_id,
        dataset=made.dataset,
        split=settings.split,
        fingerprint=training.fingerprint,
        recipe_digest=training.recipe_digest,
        trained_on=training.data_hash,
        data_hash=training.data_hash,
        epoch=training.best_epoch,
        input_size=made.input_size,
        device="cpu",
        protocol=Settings(
            evaluator=settings.evaluator,
            flip_test=settings.flip_test,
            keypoint_threshold=settings.keypoint_threshold,
            nms_threshold=settings.nms_threshold,
            scales=settings.scales,
        ),
        cost=COST,
        seconds=1.0,
        counts={
            protocol: Counts(
                IMAGES,
                unreadable_images=0,
                images_without_boxes=0,
                boxes=IMAGES * PER_IMAGE,
                empty_boxes_left_out=0,
            )
            for protocol in values
        },
        numbers={f"{metric}@{protocol}": value for protocol, value in values.items()},
        others={f"{metric}@{protocol}": value - 0.01 for protocol, value in values.items()},
    )


def write_evaluation(
    folder: Path, record: EvaluationRecord, matches: Mapping[str, Matches]
) -> None:
    """matches: by protocol."""
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder)
    for protocol, each in matches.items():
        each.save(folder / f"matches_{protocol}.npz")


def hits(quality: float) -> OksMatches:
    """The same share of hits in about every image: a better model is better everywhere."""
    index = np.repeat(np.arange(IMAGES), PER_IMAGE)
    order = np.random.default_rng(0).random(len(index))
    hit = np.tile(order < quality, (THRESHOLDS, 1))
    return OksMatches(
        image_ids=np.arange(IMAGES),
        positives=np.full(IMAGES, PER_IMAGE),
        image_index=index,
        scores=1.0 - order,
        hit=hit,
        ignored=np.zeros_like(hit),
    )


def write_mpii_results(name: str, *, quality: float, seed: int = 1) -> None:
    """results/<name> of SimpleBaseline's demo variant on MPII."""
    content = recipe(seed).as_dict() | {"dataset": "mpii"}
    content["evaluation"] |= {"evaluator": "pckh", "monitor": "PCKh@0.5@gt"}
    made = read_recipe(content, "test")
    training = training_record(name, made, "f" * 64)
    write_trained(made, training)
    record = evaluation_record(training, made, {"gt": quality}, "PCKh@0.5")
    others = {"PCKh@0.1@gt": 0.2, "Head@gt": 0.9}
    record = replace(record, numbers=record.numbers | others)
    draw = np.random.default_rng(0).random((IMAGES, 16))
    reached = np.tile(draw < quality, (3, 1, 1)).astype(np.int64)
    labelled = np.ones((IMAGES, 16), np.int64)
    write_evaluation(
        places.evaluated(name), record, {"gt": PckhMatches(np.arange(IMAGES), labelled, reached)}
    )
