"""What train and evaluate left of a recipe, read back from results/."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.host import places
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.report.published import PUBLISHED_IMAGES, PUBLISHED_PEOPLE

Curve = Mapping[str, Sequence[float]]  # column of history.csv -> value per epoch, NaN: none


@dataclass(frozen=True)
class Result:
    """What train and evaluate left of one recipe."""

    name: str
    recipe: Recipe
    metrics: dict[str, Any]  # AP@gt ... as fractions, `no_flip`
    about: dict[str, Any]  # evaluation.json
    training: dict[str, Any]  # trained/summary.json
    history: Curve
    overlays: dict[str, Path]
    fields: list[str] = field(default_factory=list)  # images, of whole ones, with their fields

    @property
    def cost(self) -> dict[str, float]:
        return dict(self.about["cost"])

    @property
    def comparable(self) -> bool:
        """Whether measured over the images (MPII: people) that papers measure over."""
        dataset, split = self.about["dataset"], self.about["split"]
        if wanted := PUBLISHED_PEOPLE.get(dataset, {}).get(split):
            return bool(self.about["counts"]["gt"]["boxes"] == wanted)
        wanted = PUBLISHED_IMAGES.get(dataset, {}).get(split)
        return wanted is not None and images_of(self) == wanted


def read_result(name: str) -> Result | None:
    """None where the recipe is not evaluated yet."""
    evaluated, trained = places.evaluated(name), places.trained(name)
    if not (evaluated / "evaluation.json").is_file():
        return None
    return Result(
        name,
        load_recipe(name),
        read_json(evaluated / "metrics.json"),
        read_json(evaluated / "evaluation.json"),
        read_json(trained / "summary.json"),
        read_history(trained / "history.csv"),
        {path.stem: path for path in sorted((evaluated / "overlays").glob("*.jpg"))},
        sorted(path.stem for path in (evaluated / "fields").glob("*.jpg")),
    )


def read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; run `dvc repro` for this recipe") from error
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path}: not readable ({error}); run `dvc repro` anew") from error


def read_history(path: Path) -> Curve:
    """Columns of history.csv as numbers; NaN where an epoch has none."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [number(row[column]) for row in rows] for column in (rows[0] if rows else ())}


def number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def images_of(result: Result) -> int:
    return int(next(iter(result.about["counts"].values()))["images"])
