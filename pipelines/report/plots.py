"""Pictures of a comparison: learning curves, AP against cost, the same images side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from data.files.images import read_image
from data.ground.refusal import refusal
from pipelines.evaluation.scoring import PROTOCOLS

Curve = Mapping[str, Sequence[float]]  # epoch, loss, accuracy, value -> one per epoch, NaN: none
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444", "#8c6d31")
TILE = (320, 230)  # of side by side: width, height in pixels
HEADER = 26
OWN_DETECTOR = "own det"
MARKERS = {"gt": "o", "det": "s", "image": "^", OWN_DETECTOR: "D"}
KINDS = {**PROTOCOLS, OWN_DETECTOR: "boxes of a detector of our own"}


@dataclass(frozen=True)
class Point:
    """One AP of one recipe: where it stands in the picture of AP against cost."""

    recipe: str
    protocol: str  # gt, det, image, own det
    gflops: float  # exact G
    ap: float
    published: bool


def colours(recipes: Sequence[str]) -> dict[str, str]:
    return {name: PALETTE[n % len(PALETTE)] for n, name in enumerate(recipes)}


def learning_curves(path: Path, curves: Mapping[str, Curve]) -> None:
    """Loss and accuracy of training and the monitored number over epochs, all in one picture.

    curves: {name: {epoch, loss, accuracy, value}}, one value per epoch, NaN where there is none.
    """
    figure = Figure(figsize=(14, 4), dpi=110, layout="constrained")
    panels = dict(zip(("loss", "accuracy", "value"), figure.subplots(1, 3), strict=True))
    for name, colour in colours(list(curves)).items():
        for column, axes in panels.items():
            _curve(axes, curves[name], column, name, colour)
    panels["loss"].set(title="Training loss", yscale="log")
    panels["accuracy"].set(title="Training accuracy (heatmaps of crops)", ylim=(0, 1))
    panels["value"].set(title="Validation: what each recipe monitors", ylim=(0, 1))
    for axes in panels.values():
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panels["value"].get_legend_handles_labels()[1]:
        panels["value"].legend(fontsize=8)
    figure.savefig(path)


def ap_against_cost(path: Path, points: Sequence[Point]) -> None:
    """AP over exact GFLOPs: filled ours, hollow published; a marker per protocol."""
    figure = Figure(figsize=(10, 4.5), dpi=110, layout="constrained")
    axes = figure.subplots()
    of = colours(list(dict.fromkeys(point.recipe for point in points)))
    shown: set[tuple[str, bool]] = set()
    for number, point in enumerate(points):
        colour = of[point.recipe]
        kind = (point.protocol, point.published)
        axes.scatter(
            point.gflops,
            point.ap,
            s=60,
            marker=MARKERS[point.protocol],
            facecolors="none" if point.published else colour,
            edgecolors=colour,
            label=None if kind in shown else _kind(*kind),
        )
        shown.add(kind)
        if not point.published:
            axes.annotate(
                point.recipe,
                (point.gflops, point.ap),
                xytext=(7, (-11, 6)[number % 2]),
                textcoords="offset points",
                fontsize=8,
                color=colour,
            )
    _frame(axes, points)
    figure.savefig(path)


def side_by_side(path: Path, blocks: Mapping[str, Mapping[str, Mapping[str, Path]]]) -> None:
    """The same images, one column per recipe: {data set: {recipe: {image: overlay}}}."""
    parts = [_block(dataset, overlays) for dataset, overlays in blocks.items() if overlays]
    if not parts:
        parts = [_title("no pictures", TILE[0])]
    width = max(part.shape[1] for part in parts)
    picture = np.vstack([_widen(part, width) for part in parts])
    if not cv2.imwrite(str(path), picture):
        raise refusal(path, fault="cannot write the picture", do="check the folder's permissions")


def _curve(axes: Axes, curve: Curve, column: str, name: str, colour: str) -> None:
    epochs, values = np.asarray(curve.get("epoch", [])), np.asarray(curve.get(column, []))
    if len(values) == 0:
        return
    known = np.isfinite(values)
    if known.any():
        axes.plot(epochs[known], values[known], marker="o", ms=3, color=colour, label=name)


def _kind(protocol: str, published: bool) -> str:
    return f"{'published' if published else 'measured'}, {KINDS[protocol]}"


def _frame(axes: Axes, points: Sequence[Point]) -> None:
    axes.set(title="AP and cost", xlabel="GFLOPs (exact count, MACs / 1e9)", ylabel="AP")
    axes.grid(alpha=0.3)
    if points:
        most = max(point.gflops for point in points)
        axes.set_xlim(0, most * 1.35)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    axes.set_ylim(-0.05, 1.05)


def _block(dataset: str, overlays: Mapping[str, Mapping[str, Path]]) -> np.ndarray:
    """Rows: images that all recipes have, columns: recipes. BGR."""
    common = sorted(set.intersection(*(set(images) for images in overlays.values())))
    names = np.hstack([_title(name, TILE[0]) for name in overlays])
    rows = [np.hstack([_tile(images[image]) for images in overlays.values()]) for image in common]
    width = names.shape[1]
    return np.vstack([_title(dataset, width, bold=True), names, *rows])


def _tile(path: Path) -> np.ndarray:
    """The picture fitted into a tile, grey around it."""
    try:
        image = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR)
    except ValueError as error:
        raise ValueError(f"{error}; remove it, then `make repro` makes it anew") from error
    width, height = TILE[0] - 4, TILE[1] - 4
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE[1], TILE[0], 3), 235, np.uint8)
    left, top = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def _title(text: str, width: int, bold: bool = False) -> np.ndarray:
    strip = np.full((HEADER, width, 3), 200 if bold else 235, np.uint8)
    room = width - 12
    size = 0.48
    measured = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0]
    size *= min(1.0, room / max(measured, 1))
    font, black, thick = cv2.FONT_HERSHEY_SIMPLEX, (0, 0, 0), 2 if bold else 1
    cv2.putText(strip, text, (6, 18), font, size, black, thick, cv2.LINE_AA)
    return strip


def _widen(part: np.ndarray, width: int) -> np.ndarray:
    return np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255)
