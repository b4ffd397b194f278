"""What train and evaluate left of a recipe, read back from results/."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines import places
from pipelines.recipe import Published, Recipe, load_recipe, read_yaml, recipe_path

PROTOCOLS = {
    "gt": "ground-truth boxes",
    "det": "a detector's boxes",
    "image": "whole images, no boxes",
}
FROM_BOXES, FROM_IMAGES = ("gt", "det"), ("image",)
NUMBERS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
COUNTS = {"exact_g": "exact G", "exact_gi": "exact Gi", "hr_g": "HR G", "hr_gi": "HR Gi"}
# what the papers' numbers are taken over
PUBLISHED_IMAGES = {"coco": {"val": 5000}, "crowdpose": {"test": 8000}}
PUBLISHED_PEOPLE = {"mpii": {"val": 2958}}
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


def published_under(rows: Sequence[Published], protocol: str) -> Published | None:
    """The first row with an AP of this protocol; never one of another, nor one in doubt."""
    sure = (row for row in rows if not row.protocol_doubtful)
    return next((row for row in sure if f"AP@{protocol}" in row.metrics), None)


def in_doubt(rows: Sequence[Published]) -> list[Published]:
    """Rows that may be of another protocol than the paper says: shown beside both of ours."""
    return [row for row in rows if row.protocol_doubtful]


def printed_cost(rows: Sequence[Published]) -> Published | None:
    return next((row for row in rows if row.params_m or row.gflops), None)


def quoted_rows(name: str) -> list[Published]:
    """What papers print of a recipe that does not run here; its network is not built for that."""
    content = read_yaml(recipe_path(name))
    return [Published(**row) for row in content.get("published") or []]
