"""An analysis as a page to read and pictures to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen is needed

import numpy as np
from matplotlib.figure import Figure

from data.evaluators.matching.errors import KINDS
from data.ground.skeleton import Skeleton
from pipelines.evaluation.record import EvaluationRecord
from pipelines.report.markdown import markdown_table, number_cell, percent

COLOURS = dict(zip(KINDS, ("#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00"), strict=True))
BY = {
    "size": "square root of the person's area",
    "keypoints": "labelled keypoints",
    "crowding": "other people whose boxes overlap",
}
INTRODUCTION = """Of each person that a prediction found (OKS from 0.1, best prediction first),
every labelled keypoint is *good* (similarity to the true place from 0.85), *jitter* (from 0.5), or,
where it is nearer to another true place, an *inversion* (of its own mirror image) or a *swap* (with
another person); below 0.5 to all of them it is a *miss* (Ronchi and Perona, ICCV 2017). AP of a
group ignores all other people; a prediction that finds nobody counts in the group of the person it
is nearest to, and where it is near nobody, in the group of its own size alone. Numbers x 100, with
95 % intervals over resampled images."""


def errors_page(
    name: str, record: EvaluationRecord, errors: Mapping[str, Mapping[str, Any]]
) -> str:
    """analysis.md: {protocol: numbers} of pipelines/evaluation/errors.py."""
    where = f"{record.dataset} {record.split}, data `{record.data_hash[:12]}`"
    parts = [f"# {name}: what goes wrong", f"{where}, epoch {record.epoch}.", INTRODUCTION]
    for protocol, numbers in errors.items():
        parts += [f"## @{protocol}", *protocol_section(protocol, numbers)]
    return "\n\n".join(parts) + "\n"


def protocol_section(protocol: str, numbers: Mapping[str, Any]) -> list[str]:
    people = f"{numbers['people_found']} of {numbers['people']} people found by "
    metrics, groups = metric_rows(protocol, numbers), group_rows(numbers)
    by = ["by", "group", "people", f"AP@{protocol}", "interval", f"AR@{protocol}"]
    return [
        f"{people}{numbers['predictions']} predictions.",
        markdown_table([f"metric @{protocol}", "value", "interval"], metrics),
        "### Keypoints",
        markdown_table(["keypoint", "labelled", "mean OKS", *KINDS], keypoint_rows(numbers)),
        f"![Errors by keypoint](errors_{protocol}.png)",
        "### Groups of people",
        markdown_table(by, groups),
        f"![AP by group](groups_{protocol}.png)",
        "### The worst images: most OKS lost (left the truth, right what was predicted)",
        markdown_table(["image", "people", "found", "mean OKS", *KINDS], image_rows(numbers)),
    ]


def metric_rows(protocol: str, numbers: Mapping[str, Any]) -> list[list[str]]:
    return [
        [f"{metric}@{protocol}", number_cell({metric: row["value"]}, metric), interval_cell(row)]
        for metric, row in numbers["intervals"].items()
    ]


def group_rows(numbers: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            BY[row["by"]],
            row["group"],
            str(row["people"]),
            percent(row["AP"]["value"]),
            interval_cell(row["AP"]),
            percent(row["AR"]),
        ]
        for row in numbers["groups"]
    ]


def image_rows(numbers: Mapping[str, Any]) -> list[list[str]]:
    """Of the worst images, those that there is a picture of."""
    return [
        [
            f"[{row['image_id']}]({row['picture']})",
            str(row["people"]),
            str(row["found"]),
            percent(row["mean_oks"]),
            *(percent(row[kind]) for kind in KINDS),
        ]
        for row in numbers["worst"]
        if row.get("picture")
    ]


def keypoint_rows(numbers: Mapping[str, Any]) -> list[list[str]]:
    rows = [
        [
            name,
            f"{row['labelled']:.0f}",
            percent(row["oks"]),
            *(percent(row[kind]) for kind in KINDS),
        ]
        for name, row in numbers["keypoints"].items()
    ]
    return [*rows, ["**all**", "", "", *(percent(numbers["errors"][kind]) for kind in KINDS)]]


def interval_cell(row: Mapping[str, float]) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"


def draw_errors(path: Path, numbers: Mapping[str, Any], protocol: str, of: Skeleton) -> None:
    """Per keypoint the shares of the kinds, and the mean similarity as a mark."""
    figure = Figure(figsize=(9, 0.32 * len(of.keypoints) + 1.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    rows = [numbers["keypoints"][name] for name in of.keypoints]
    left = np.zeros(len(rows))
    for kind in KINDS:
        width = np.array([100 * row[kind] for row in rows])
        axes.barh(list(of.keypoints), width, left=left, color=COLOURS[kind], label=kind)
        left += width
    means = [100 * row["oks"] if row["oks"] >= 0 else np.nan for row in rows]
    axes.plot(means, range(len(rows)), "k|", ms=9, mew=2, label="mean OKS")
    axes.invert_yaxis()
    axes.set(title=f"Keypoints of people that were found, @{protocol}", xlabel="%", xlim=(0, 100))
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    figure.savefig(path)


def draw_groups(path: Path, groups: Sequence[Mapping[str, Any]], protocol: str) -> None:
    """AP of each group with its interval, one panel per kind of group."""
    figure = Figure(figsize=(11, 3.6), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(BY), sharey=True)
    for axes, (by, title) in zip(panels, BY.items(), strict=True):
        rows = [row for row in groups if row["by"] == by]
        values = np.array([[row["AP"][key] for key in ("value", "low", "high")] for row in rows])
        names = [f"{row['group']}\n({row['people']})" for row in rows]
        if rows:
            value, low, high = 100 * values.T
            reach = np.maximum(np.stack([value - low, high - value]), 0)
            axes.bar(names, value, color="#0072b2", yerr=reach, capsize=4)
        axes.set(title=title, ylim=(0, 100))
        axes.tick_params(axis="x", labelsize=8)
    panels[0].set_ylabel(f"AP@{protocol} (people)")
    figure.savefig(path)
