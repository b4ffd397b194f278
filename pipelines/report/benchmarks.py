"""Tables of what is not counted in COCO's ten numbers: MPII (PCKh), CrowdPose, distances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.recipe.schema import Published
from pipelines.report.markdown import NONE, markdown_table, number_cell
from pipelines.report.published import COUNTS
from pipelines.report.results import Result
from pipelines.report.whose_boxes import UNMARKED, Marks, box_marks, whose_boxes


@dataclass(frozen=True)
class Benchmark:
    """`main` is the number that tells its rows; columns: heading -> name of the number."""

    title: str
    main: str
    columns: Mapping[str, str]
    remark: str


BENCHMARKS = (
    Benchmark(
        "MPII",
        "PCKh@0.5",
        {
            **{name: name for name in ("Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank")},
            "Mean": "PCKh@0.5",
            "@0.1": "PCKh@0.1",
            "@0.11": "PCKh@0.11",
        },
        "PCKh@0.5 x 100 from MPII's own centres and scales, with flip test. HRNet's code prints "
        'the threshold 0.11 as "Mean@0.1": such numbers stand under @0.11.',
    ),
    Benchmark(
        "CrowdPose",
        "AP_easy",
        {name: name for name in ("AP", "AP50", "AP75", "AR", "AR50", "AR75")}
        | {"easy": "AP_easy", "medium": "AP_medium", "hard": "AP_hard"},
        "AP as crowdposetools counts it, x 100, with flip test; easy, medium and hard by the "
        "image's crowd index (below 0.2, below 0.8, above).",
    ),
    Benchmark(
        "Distances of keypoints",
        "PCK@0.1",
        {name: name for name in ("PCK@0.05", "PCK@0.1", "PCK@0.2", "AUC", "NME")},
        "x 100, of the size that the skeleton's `reference` says: PCK is the share of keypoints "
        "within 0.05, 0.1, 0.2 of it, AUC the area under PCK up to 0.2, NME the mean distance "
        "(less is better). From true boxes, with flip test.",
    ),
)


def benchmark_of(numbers: Iterable[str]) -> Benchmark | None:
    """Which benchmark numbers (`AP@gt`...) are of; None: they are COCO's ten."""
    names = {number.rpartition("@")[0] for number in numbers}
    return next((benchmark for benchmark in BENCHMARKS if benchmark.main in names), None)


def of_benchmark(
    benchmark: Benchmark | None,
    results: Sequence[Result],
    quoted: Mapping[str, Sequence[Published]],
) -> tuple[list[Result], dict[str, list[Published]]]:
    """What is measured and what is quoted of one benchmark; None: in COCO's ten numbers."""
    ours = [result for result in results if benchmark_of(result.numbers) is benchmark]
    theirs = {
        name: [row for row in rows if benchmark_of(row.metrics) is benchmark]
        for name, rows in quoted.items()
    }
    return ours, {name: rows for name, rows in theirs.items() if rows}


def benchmark_sections(
    results: Sequence[Result],
    quoted: Mapping[str, Sequence[Published]],
    marks: Marks | None = None,
) -> list[str]:
    """A heading, a remark and a table of every benchmark that there is something of.

    Of results what is measured; of `quoted` what papers print.
    """
    made, marks = [], box_marks(results) if marks is None else marks
    for benchmark in BENCHMARKS:
        ours, theirs = of_benchmark(benchmark, results, quoted)
        rows = [row for result in ours for row in measured_rows(result, benchmark, marks)]
        rows += [row for name, each in theirs.items() for row in quoted_rows(name, each, benchmark)]
        if rows:
            head = ["recipe", "boxes", "source", "measured on", *benchmark.columns]
            table = markdown_table([*head, "params (M)", *COUNTS.values()], rows)
            made += [f"## {benchmark.title}", benchmark.remark, table]
    return made


def measured_rows(result: Result, benchmark: Benchmark, marks: Marks = UNMARKED) -> list[list[str]]:
    """Ours as the recipe has it, and with the flip test the other way round."""
    mark = "" if result.comparable or not result.recipe.published else " †"
    counts = [f"{getattr(result.cost, count):.3f}" for count in COUNTS]
    end = [f"{result.cost.params / 1e6:.2f}", *counts]
    rows = []
    for protocol in PROTOCOLS:
        if f"{benchmark.main}@{protocol}" in result.numbers:
            whose = whose_boxes(result, marks) if protocol == "det" else ""
            boxes = f"{protocol} ({whose})" if whose else protocol
            start = [f"{result.name}{mark}", boxes]
            numbers = number_cells(result.numbers, benchmark, protocol)
            rows.append([*start, "measured", result.measured_on, *numbers, *end])
            numbers = number_cells(result.evaluation.others, benchmark, protocol)
            title = f"measured, {result.other_flip}"
            rows.append([*start, title, result.measured_on, *numbers, *end])
    return rows


def quoted_rows(name: str, published: Sequence[Published], benchmark: Benchmark) -> list[list[str]]:
    rows = []
    for row in published:
        doubt = ", protocol in doubt" if row.protocol_doubtful else ""
        for protocol in dict.fromkeys(key.rpartition("@")[2] for key in row.metrics):
            numbers = number_cells(row.metrics, benchmark, protocol)
            params = NONE if row.params_m is None else f"{row.params_m:.1f}"
            printed = [printed_gflops(row, count) for count in COUNTS]
            source = f"quoted{doubt}: {row.source}"
            rows.append([f"*{name}*", protocol, source, NONE, *numbers, params, *printed])
    return rows


def printed_gflops(row: Published, count: str) -> str:
    return f"{row.gflops:.1f}" if row.gflops is not None and row.gflops_count == count else NONE


def number_cells(numbers: Mapping[str, float], benchmark: Benchmark, protocol: str) -> list[str]:
    return [number_cell(numbers, f"{name}@{protocol}") for name in benchmark.columns.values()]
