"""A small prepared data set of drawn people, and trainings on it, for the tests beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.datasets.stick_figures import draw_split
from pipelines.host import places
from pipelines.intake.preparing import prepare
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job

NAME = "stick_figures"


def draw(home: Path, train: int = 24, val: int = 10) -> tuple[Path, Path]:
    """(prepared, raw) folders under `home`, as fetch and prepare leave them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMBER_HOME", str(home))
        return draw_at_home(train, val)


def draw_at_home(train: int = 24, val: int = 10) -> tuple[Path, Path]:
    """As `draw`, where $LIMBER_HOME is set."""
    raw = places.raw(NAME)
    for split, images, seed in (("train", train, 1), ("val", val, 2)):
        draw_split(raw, split, images, seed)
    prepare(NAME, bad_row_limit=0.0)
    return places.prepared(NAME), raw


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
