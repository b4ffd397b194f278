"""The comparison's pictures and curves: what is drawn from results."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.report import plots
from pipelines.report.benchmarks import of_benchmark
from pipelines.report.results import Result

PICTURES = 4  # images side by side, per data set


def write_pictures(folder: Path, results: Sequence[Result]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plots.learning_curves(folder / "learning_curves.png", monitored_curves(results))
    plots.ap_against_cost(folder / "ap_against_gflops.png", cost_points(results))
    blocks: dict[str, dict[str, dict[str, Path]]] = {}
    for result in results:
        group = f"{result.evaluation.dataset}, {result.evaluation.split}"
        blocks.setdefault(group, {})[result.name] = result.overlays
    few = {group: first_images(overlays) for group, overlays in blocks.items()}
    plots.side_by_side(folder / "side_by_side.png", few)


def first_images(overlays: dict[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    """The first images that all recipes of a group have."""
    common = sorted(set.intersection(*(set(images) for images in overlays.values())))[:PICTURES]
    return {name: {image: images[image] for image in common} for name, images in overlays.items()}


def cost_points(results: Sequence[Result]) -> list[plots.Point]:
    points = []
    for result in of_benchmark(None, results, {})[0]:
        gflops = result.cost.exact_g
        for protocol in PROTOCOLS:
            if (measured := result.numbers.get(f"AP@{protocol}", -1)) >= 0:
                own = protocol == "det" and result.own_detector
                kind = plots.OWN_DETECTOR if own else protocol
                points.append(plots.Point(result.name, kind, gflops, measured, False))
            if row := result.published_under(protocol):
                ap = row.metrics[f"AP@{protocol}"]
                points.append(plots.Point(result.name, protocol, gflops, ap, True))
    return points


def monitored_curves(results: Sequence[Result]) -> dict[str, plots.Curve]:
    """Per recipe, under its name and that of the number that it monitors: what `plots` draws."""
    curves: dict[str, plots.Curve] = {}
    for result in results:
        history, monitor = result.history, result.recipe.evaluation.monitor
        none = [math.nan] * len(history.get("epoch", ()))
        curves[f"{result.name}: {monitor}"] = {
            "epoch": history.get("epoch", ()),
            "loss": history.get("loss", none),
            "accuracy": history.get("accuracy", none),
            "value": history.get(monitor, none),
        }
    return curves


def write_curves(path: Path, results: Sequence[Result]) -> None:
    """All curves in one long table, for `dvc plots show` (drawn by learning_curves.json)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["curve", "epoch", "loss", "accuracy", "value"])
        for name, curve in monitored_curves(results).items():
            for row in zip(*curve.values(), strict=True):
                writer.writerow([name, *("" if math.isnan(cell) else f"{cell:g}" for cell in row)])
