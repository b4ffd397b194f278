"""Results of trainings that never ran, for the tests of registry and promotion beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.evaluators.matching.matches import OksMatches
from data.evaluators.pckh import PckhMatches
from pipelines.host import places
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe

IMAGES, PER_IMAGE, THRESHOLDS = 60, 2, 10


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
    cost: dict[str, float] | None = None,
    **codec: Any,
) -> None:
    """results/<name>/trained and /evaluation, as train and evaluate leave them."""
    made = recipe(seed, **codec)
    fingerprint = f"{name}-{seed}-{data_hash}"
    write_checkpoint(places.trained(name), made, fingerprint, data_hash)
    about = {
        "recipe": name,
        "fingerprint": fingerprint,
        "recipe_digest": made.digest(),
        "dataset": "stick_figures",
        "data_hash": data_hash,
        "run_id": None,
        "epoch": 1,
        "cost": cost or {"params": 1_000_000, "exact_g": 0.5},
    }
    write_evaluation(places.evaluated(name), about, quality, protocols)


def write_checkpoint(folder: Path, made: Recipe, fingerprint: str, data_hash: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(made.seed)
    state = {
        "recipe": made.as_dict(),
        "model": build_architecture(made).state_dict(),
        "epoch": 1,
        "fingerprint": fingerprint,
        "data_hash": data_hash,
    }
    torch.save(state, folder / "best.pt")
    (folder / "summary.json").write_text(json.dumps({"run_id": None}))


def write_evaluation(
    folder: Path, about: dict[str, Any], quality: float, protocols: tuple[str, ...]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {f"AP@{protocol}": quality for protocol in protocols}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"no_flip": {}}))
    (folder / "evaluation.json").write_text(json.dumps(about))
    for protocol in protocols:
        matches(quality).save(folder / f"matches_{protocol}.npz")


def matches(quality: float) -> OksMatches:
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
    made, fingerprint, data_hash = read_recipe(content, "test"), f"{name}-{seed}", "f" * 64
    write_checkpoint(places.trained(name), made, fingerprint, data_hash)
    about = {"recipe": name, "fingerprint": fingerprint, "recipe_digest": made.digest(),
             "dataset": "mpii", "data_hash": data_hash, "run_id": None, "epoch": 1,
             "cost": {"params": 1_000_000, "exact_g": 0.5}}  # fmt: skip
    folder = places.evaluated(name)
    folder.mkdir(parents=True)
    metrics = {"PCKh@0.5@gt": quality, "PCKh@0.1@gt": 0.2, "Head@gt": 0.9}
    (folder / "metrics.json").write_text(json.dumps(metrics | {"no_flip": {}}))
    (folder / "evaluation.json").write_text(json.dumps(about))
    draw = np.random.default_rng(0).random((IMAGES, 16))
    found = np.tile(draw < quality, (3, 1, 1)).astype(np.int64)
    labelled = np.ones((IMAGES, 16), np.int64)
    PckhMatches(np.arange(IMAGES), labelled, found).save(folder / "matches_gt.npz")
