"""What networks take for one image on a processor: tables, a picture, and where fewer operations
are not faster. Numbers come of `python -m benchmarks.latency`, into reports/latency.*."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen is needed

from matplotlib.figure import Figure

from pipelines.report.markdown import NONE, markdown_table
from pipelines.report.plots import PALETTE
from pipelines.report.savings import claims

MIB = 2**20
CLEARLY = 0.97  # of the operations: fewer by more than what is left of counting
INTRODUCTION = """# Latency

One image at a time, in milliseconds: **what is before + the network + what is behind**. Before: a
person cut out of a photo, or a photo resized; behind: for networks of crops scores, image pixels
and OKS-NMS (their graph reads keypoints itself), for networks of whole images the grouping into
people. Peak memory is what a fresh process holds above what it held before it opened the file.
`onnx` is onnxruntime, `openvino` OpenVINO in the file's own precision; int8 as
`python -m pipelines.export RECIPE --precision int8` counts, all layers of it."""

UNTRAINED = (
    "† random weights: times do not hang on them; what grouping finds does, so it is given the "
    "fields of four painted people."
)


@dataclass(frozen=True)
class Timed:
    """A file in one way: runtime (onnx, openvino), precision, threads; seconds of one image before,
    in and behind the network; bytes at most, and of the file."""

    runtime: str
    precision: str
    threads: int
    before: float
    network: float
    behind: float
    memory: int
    file: int

    @property
    def way(self) -> str:
        return f"{self.runtime} {self.precision}"

    @property
    def whole(self) -> float:
        return self.before + self.network + self.behind


@dataclass(frozen=True)
class Latency:
    """A network at an input size, as the cost table names it; macs: exact; trained: whether its
    weights are, failed: ways that came to nothing, and why."""

    recipe: str
    network: str
    input: str
    params: int
    macs: int
    trained: bool
    timed: Sequence[Timed]
    failed: Mapping[str, str]

    def of(self, way: str, threads: int) -> Timed | None:
        found = (each for each in self.timed if (each.way, each.threads) == (way, threads))
        return next(found, None)


def write_latency(folder: Path, machine: str, rows: Sequence[Latency]) -> Path:
    """latency.md, .png and .json; returns the first."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "latency.md"
    content = {"machine": machine, "networks": [asdict(row) for row in rows]}
    page.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n")
    page.write_text(latency_page(machine, rows))
    draw_latency(page.with_suffix(".png"), rows)
    return page


def latency_page(machine: str, rows: Sequence[Latency]) -> str:
    parts = [INTRODUCTION, machine]
    for threads in sorted({each.threads for row in rows for each in row.timed}):
        parts += [f"## {threads} thread{'s' if threads > 1 else ''}", _times(rows, threads)]
    parts += ["![Operations and milliseconds](latency.png)"]
    parts += ["## Peak memory and files, MiB", _memory(rows)]
    parts += ["## Where fewer operations are not faster", *_surprises(rows)]
    if all_failed := [(row, way, why) for row in rows for way, why in row.failed.items()]:
        lines = [f"- {row.network}, {way}: {why}" for row, way, why in all_failed]
        parts += ["## What came to nothing", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _ways(rows: Sequence[Latency]) -> list[str]:
    return list(dict.fromkeys(each.way for row in rows for each in row.timed))


def _start(row: Latency) -> list[str]:
    mark = "" if row.trained else " †"
    gi = f"{row.macs / 2**30:.2f}"
    return [f"{row.network}{mark}", row.input, f"{row.params / 1e6:.1f}", gi]


HEAD = ("network", "input", "params (M)", "exact Gi")


def _times(rows: Sequence[Latency], threads: int) -> str:
    def cell(each: Timed | None) -> str:
        if each is None:
            return NONE
        parts = [f"{1000 * part:.1f}" for part in (each.before, each.network, each.behind)]
        return f"{parts[0]} + **{parts[1]}** + {parts[2]}"

    ways = _ways(rows)
    lines = [[*_start(row), *(cell(row.of(way, threads)) for way in ways)] for row in rows]
    table = markdown_table([*HEAD, *ways], lines)
    if all(row.trained for row in rows):
        return table
    return f"{table}\n\n{UNTRAINED}"


def _memory(rows: Sequence[Latency]) -> str:
    ways = _ways(rows)
    least = min((each.threads for row in rows for each in row.timed), default=1)
    lines = []
    for row in rows:
        found = [row.of(way, least) for way in ways]
        files = {each.precision: each.file for each in row.timed}
        sizes = " / ".join(f"{name} {size / MIB:.1f}" for name, size in files.items())
        held = [NONE if each is None else f"{each.memory / MIB:.0f}" for each in found]
        lines.append([row.network, row.input, sizes, *held])
    return markdown_table(["network", "input", "file", *ways], lines)


def _surprises(rows: Sequence[Latency]) -> list[str]:
    """A line per pair that papers compare where the one with fewer operations takes longer."""
    lines = []
    for less, more in compared(rows):
        slower = [
            f"{1 / ratio:.2f} times the time in {way}, {told_threads(threads)}"
            for way, threads, ratio in _ratios(less, more)
            if ratio < 1
        ]
        faster = [
            f"{way}, {told_threads(threads)} ({ratio:.2f} times as fast)"
            for way, threads, ratio in _ratios(less, more)
            if ratio >= 1
        ]
        share = f"{less.macs / more.macs:.2f} of the operations of {more.network}"
        told = f"- {less.network} at {less.input} has {share}"
        if slower:
            rest = f"; faster in {', '.join(faster)}" if faster else "; faster in no way measured"
            lines.append(f"{told} and takes {', '.join(slower)}{rest}.")
        elif faster:
            lines.append(f"{told} and is faster in every way measured: {', '.join(faster)}.")
    return ["\n".join(lines)] if lines else ["No two of these networks are compared by a paper."]


def told_threads(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"


def compared(rows: Sequence[Latency]) -> Iterator[tuple[Latency, Latency]]:
    """(fewer operations, more) of the pairs on which a paper says something."""
    by_key = {(row.network, row.input): row for row in rows}
    for claim in claims():
        one, other = (by_key.get((row.network, row.input)) for row in (claim.ours, claim.base))
        if one and other and one.macs != other.macs:
            less, more = sorted((one, other), key=lambda row: row.macs)
            if less.macs < CLEARLY * more.macs:
                yield less, more


def _ratios(less: Latency, more: Latency) -> Iterator[tuple[str, int, float]]:
    """Way, threads, and how many times as fast the network of fewer operations is there."""
    for each in less.timed:
        other = more.of(each.way, each.threads)
        if other is not None:
            yield each.way, each.threads, other.network / each.network


def draw_latency(path: Path, rows: Sequence[Latency]) -> None:
    """A line per network, fewest operations first: its operations, and beside them the network's
    own milliseconds on as few threads as were measured, a colour per way."""
    ordered = sorted(rows, key=lambda row: -row.macs)  # the first line is the lowest
    figure = Figure(figsize=(11, 1.6 + 0.32 * len(rows)), dpi=110, layout="constrained")
    counted, timed = figure.subplots(1, 2, sharey=True, width_ratios=[1, 2.5])
    lines = range(len(ordered))
    counted.scatter([row.macs / 2**30 for row in ordered], lines, s=36, color="0.4", zorder=2)
    counted.set_yticks(lines, [f"{row.network}  {row.input}" for row in ordered], fontsize=8)
    counted.set(xscale="log", xlabel="operations (exact Gi)")
    least = min((each.threads for row in rows for each in row.timed), default=1)
    for colour, way in zip(PALETTE, _ways(rows), strict=False):
        found = [(n, each) for n, row in enumerate(ordered) if (each := row.of(way, least))]
        times = [1000 * each.network for _, each in found]
        timed.scatter(times, [n for n, _ in found], s=36, color=colour, label=way, zorder=2)
    timed.set(xscale="log", xlabel=f"ms of one image, network alone, {told_threads(least)}")
    for axes in (counted, timed):
        axes.grid(alpha=0.3, which="both")
    if timed.get_legend_handles_labels()[1]:
        timed.legend(fontsize=8)
    figure.savefig(path)
