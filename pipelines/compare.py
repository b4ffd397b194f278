"""Evaluated recipes side by side with what their papers print: a table, pictures, DVC metrics.

python -m pipelines.compare             the stage: recipes of params.yaml, into reports/
python -m pipelines.compare A B         what recipe (or MLflow run) A gains on B, and how surely
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines import places, plots
from pipelines.benchmark_tables import COCO, benchmark_of, of_benchmark
from pipelines.difference import write_difference
from pipelines.recipe import load_params, recipe_names
from pipelines.report import report
from pipelines.results import (
    NUMBERS,
    PROTOCOLS,
    Curve,
    Result,
    published_under,
    quoted_rows,
    read_result,
)

PICTURES = 4  # images side by side, per data set


def main(argv: Sequence[str] = ()) -> int:
    try:
        if len(argv) not in (0, 2):
            raise ValueError(f"compare: given {' '.join(argv)!r}, accepted: none, or two recipes")
        print(f"compared: {write_difference(*argv) if argv else compare()}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def compare() -> Path:
    """Writes reports/; returns the path of the report."""
    wanted = list(load_params()["run"]["recipes"])
    results = [r for name in wanted if (r := read_result(name)) is not None]
    absent = sorted(set(wanted) - {result.name for result in results})
    if not results:
        raise ValueError(
            f"results/: none of {', '.join(wanted) or 'no recipes'} (params.yaml, run.recipes) is "
            "evaluated; run `dvc repro`"
        )
    quoted = [n for n in recipe_names() if n not in {r.name for r in results}]
    folder = places.reports()
    write_pictures(folder / "pictures", results)
    write_curves(folder / "learning_curves.csv", results)
    numbers = {result.name: numbers_of(result) for result in results}
    write(folder / "comparison.json", json.dumps(numbers, indent=2) + "\n")
    text = report(results, {name: quoted_rows(name) for name in quoted}, absent)
    write(folder / "comparison.md", text)
    return folder / "comparison.md"


def numbers_of(result: Result) -> dict[str, Any]:
    """What DVC compares between experiments: numbers only."""
    measured = {k: v for k, v in result.metrics.items() if isinstance(v, int | float)}
    published = {
        f"{key}@{protocol}": row.metrics[f"{key}@{protocol}"]
        for protocol in PROTOCOLS
        if (row := published_under(result.recipe.published, protocol))
        for key in NUMBERS
        if f"{key}@{protocol}" in row.metrics
    }
    if benchmark_of(result.metrics) != COCO:
        sure = (row for row in result.recipe.published if not row.protocol_doubtful)
        published = {key: value for row in sure for key, value in row.metrics.items()}
    speed = {k: result.training.get(k) for k in ("samples_per_second", "hours", "best_epoch")}
    return {
        "measured": measured,
        "published": published,
        "cost": result.cost,
        "training": {k: v for k, v in speed.items() if v is not None},
    }


def write_pictures(folder: Path, results: Sequence[Result]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(folder / "learning_curves.png", curves(results))
    plots.ap_against_cost(folder / "ap_against_gflops.png", points(results))
    blocks: dict[str, dict[str, dict[str, Path]]] = {}
    for result in results:
        group = f"{result.about['dataset']}, {result.about['split']}"
        blocks.setdefault(group, {})[result.name] = result.overlays
    few = {group: first_images(overlays) for group, overlays in blocks.items()}
    plots.side_by_side(folder / "side_by_side.png", few)


def first_images(overlays: dict[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    """The first images that all recipes of a group have."""
    common = sorted(set.intersection(*(set(images) for images in overlays.values())))[:PICTURES]
    return {name: {image: images[image] for image in common} for name, images in overlays.items()}


def points(results: Sequence[Result]) -> list[plots.Point]:
    found = []
    for result in of_benchmark(COCO, results, {})[0]:
        gflops = result.cost["exact_g"]
        for protocol in PROTOCOLS:
            if (measured := result.metrics.get(f"AP@{protocol}", -1)) >= 0:
                found.append(plots.Point(result.name, protocol, gflops, measured, False))
            if row := published_under(result.recipe.published, protocol):
                ap = row.metrics[f"AP@{protocol}"]
                found.append(plots.Point(result.name, protocol, gflops, ap, True))
    return found


def curves(results: Sequence[Result]) -> dict[str, Curve]:
    """Per recipe, under its name and that of the number that it monitors: epoch, loss, value."""
    found: dict[str, Curve] = {}
    for result in results:
        history, monitor = result.history, result.recipe.evaluation.monitor
        none = [math.nan] * len(history.get("epoch", ()))
        found[f"{result.name}: {monitor}"] = {
            "epoch": history.get("epoch", ()),
            "loss": history.get("loss", none),
            "value": history.get(monitor, none),
        }
    return found


def write_curves(path: Path, results: Sequence[Result]) -> None:
    """All curves in one long table, for `dvc plots` (pipelines/learning_curves.json draws it)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["curve", "epoch", "loss", "value"])
        for name, curve in curves(results).items():
            for row in zip(*curve.values(), strict=True):
                writer.writerow([name, *("" if math.isnan(cell) else f"{cell:g}" for cell in row)])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
