"""A small prepared data set of drawn people, and trainings on it, for the tests beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from data.datasets import stick_figures
from data.files.table import write_table
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job


def draw(home: Path, train: int = 24, val: int = 10) -> tuple[Path, Path]:
    """(prepared, raw) folders under `home`, laid out as fetch and prepare do."""
    raw = home / "data" / "store" / "raw" / "stick_figures"
    prepared = home / "data" / "store" / "prepared" / "stick_figures"
    for split, images, seed in (("train", train, 1), ("val", val, 2)):
        stick_figures.draw_split(raw, split, images, seed)
        (prepared / split).mkdir(parents=True)
        _write_tables(raw, prepared / split, split)
    (prepared / "summary.json").write_text(json.dumps({"data_hash": "d" * 64}))
    return prepared, raw


def _write_tables(raw: Path, folder: Path, split: str) -> None:
    samples = list(stick_figures.samples(raw, split))
    rows = [(n, s, pose) for n, s in enumerate(samples) for pose in s.poses]
    write_table(
        folder / "images.arrow",
        {
            "image_id": np.array([s.image_id for s in samples]),
            "path": [str(s.image_path.relative_to(raw)) for s in samples],
            "width": np.array([s.width for s in samples], np.int32),
            "height": np.array([s.height for s in samples], np.int32),
        },
    )
    write_table(
        folder / "persons.arrow",
        {
            "person_id": np.array([pose.id for _, _, pose in rows]),
            "image_row": np.array([n for n, _, _ in rows]),
            "image_id": np.array([s.image_id for _, s, _ in rows]),
            "box_image": np.array([pose.box_image for _, _, pose in rows], np.float32),
            "area": np.array([pose.area for _, _, pose in rows], np.float32),
            "keypoints_image": np.array(
                [pose.keypoints_image.reshape(-1) for _, _, pose in rows], np.float32
            ),
            "visibility": np.array([pose.visibility for _, _, pose in rows], np.int8),
        },
    )


def small_recipe(**training: object) -> Recipe:
    """HRNet's demo variant at 64x64, two epochs of the global batch 8."""
    content = {
        "dataset": "stick_figures",
        "seed": 3,
        "input_size": [64, 64],
        "architecture": {"name": "hrnet", "variant": "demo"},
        "codec": {"name": "heatmap", "options": {"sigma": 1.0}},
        "losses": {"heatmaps": {"name": "keypoint_mse"}},
        "augmentation": {
            "scale": 0.2,
            "rotation": 20.0,
            "photometric": [{"name": "RandomBrightnessContrast", "options": {"p": 0.5}}],
        },
        "optimizer": {"name": "adam", "learning_rate": 1.0e-3},
        "schedule": {"name": "cosine", "warmup_steps": 2},
        "training": {"epochs": 2, "global_batch": 8, "ema_decay": 0.9, **training},
        "evaluation": {"evaluator": "oks", "flip_test": False},
    }
    return read_recipe(content, "a test's recipe")


def small_job(folder: Path, data: tuple[Path, Path], recipe: Recipe, **machine: object) -> Job:
    prepared, raw = data
    given = {"max_batch_per_worker": 8, **machine}
    digest = recipe.digest()
    return Job("small", recipe, digest, "d" * 64, prepared, raw, folder, **given)  # type: ignore[arg-type]
