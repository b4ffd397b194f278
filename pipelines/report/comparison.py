"""The text of reports/comparison.md: ours beside the papers', protocol by protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.evaluation.scoring import FROM_BOXES, FROM_IMAGES, NUMBERS, PROTOCOLS
from pipelines.evaluation.test_dev import PROTOCOL as TEST_DEV
from pipelines.recipe.schema import Published
from pipelines.report.benchmarks import benchmark_sections, of_benchmark
from pipelines.report.markdown import NONE, fixed, markdown_table, number_cell, percent
from pipelines.report.paper_tables import paper_sections
from pipelines.report.published import COUNTS, in_doubt, printed_cost, published_under
from pipelines.report.results import Result
from pipelines.report.whose_boxes import Marks, box_marks, boxes_note, whose_boxes

INTRODUCTION = """# Comparison

AP is COCO's, x 100, with flip test, measured / published. Protocols are never mixed: `AP@gt`
starts from ground-truth boxes, `AP@det` from a detector's, `AP@image` from whole images without
boxes. Boxes of a detector of our own are named, and stand beside none of the papers'; where numbers
of one data set start from different boxes, a raised number tells which. "–": not measured or not
printed. GFLOPs are multiply-accumulates of one image, convolution and linear layers
only, in the four counts that papers use: *exact* counts a transposed convolution by its input, *HR*
by its output, as HRNet's code does; G divides by 1e9, Gi by 2^30. What papers print of recipes that
did not run here is folded below.
"""
DOUBT = """## Protocol in doubt

These papers' numbers look like those of another protocol than the papers name, so they stand beside
all of ours and are compared with none."""


def comparison_report(
    results: Sequence[Result], quoted: Mapping[str, Sequence[Published]], absent: Sequence[str]
) -> str:
    """The whole text; `quoted` recipes are not evaluated here, `absent` ones should have been."""
    ours, _ = of_benchmark(None, results, {})
    marks = box_marks(results)
    parts = [INTRODUCTION, *main_tables(ours, {}, marks)]
    if notes := remarks(results, absent):
        parts.append("\n".join(notes))
    parts += benchmark_sections(results, {}, marks)
    if doubts := doubt_table(ours, {}):
        parts += [DOUBT, doubts]
    parts += ["## Pictures", *picture_links(), *field_picture_links(results)]
    if tables := number_tables(ours, {}, marks):
        parts += ["## All numbers", *tables]
    parts += quoted_sections(results, quoted)
    head, *tables = paper_sections(results)
    parts += [head, *folded("The tables, paper by paper", tables)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def quoted_sections(
    results: Sequence[Result], quoted: Mapping[str, Sequence[Published]]
) -> list[str]:
    """What papers print: of recipes that did not run here, and all numbers of those that did."""
    every = {result.name: list(result.recipe.published) for result in results} | dict(quoted)
    _, coco = of_benchmark(None, [], every)
    strange = {name: coco[name] for name in coco if name in quoted}
    tables = main_tables([], strange)
    if doubts := doubt_table([], strange):
        tables += [DOUBT.replace("## ", "### "), doubts]
    tables += [part.replace("## ", "### ") for part in benchmark_sections([], every)]
    if numbers := number_tables([], coco):
        tables += ["### All numbers that papers print", *numbers]
    rows = sum(map(len, every.values()))
    title = f"{rows} rows of {sum(map(bool, every.values()))} recipes, as printed"
    return ["## What papers print", *folded(title, tables)] if tables else []


def folded(title: str, parts: Sequence[str]) -> list[str]:
    """Parts that a reader opens by a click."""
    return ["<details>", f"<summary>{title}</summary>", *parts, "</details>"] if parts else []


def main_tables(
    results: Sequence[Result],
    quoted: Mapping[str, Sequence[Published]],
    marks: Marks | None = None,
) -> list[str]:
    """One table for networks that read boxes, one for those that read whole images.

    marks: of all results that the report tells of, these alone where left out.
    """
    tables, marks = [], box_marks(results) if marks is None else marks
    for protocols in (FROM_BOXES, FROM_IMAGES):
        ours = [result for result in results if is_shown(result.numbers, protocols)]
        theirs = {
            name: rows
            for name, rows in quoted.items()
            if any(is_shown(row.metrics, protocols) for row in rows)
        }
        if ours or theirs:
            tables.append(main_table(ours, theirs, protocols, marks))
    return tables


def is_shown(metrics: Mapping[str, float], protocols: Sequence[str]) -> bool:
    return any(f"AP@{protocol}" in metrics for protocol in protocols)


def main_table(
    results: Sequence[Result],
    quoted: Mapping[str, Sequence[Published]],
    protocols: Sequence[str],
    marks: Marks,
) -> str:
    head = ["recipe", "measured on", *(f"AP@{protocol}" for protocol in protocols)]
    head += ["params (M)", *COUNTS.values(), "GFLOPs printed", "samples/s", "hours", "data", "run"]
    rows = [measured_row(result, protocols, marks) for result in results]
    rows += [quoted_row(name, published, protocols) for name, published in quoted.items()]
    return markdown_table(head, rows)


def measured_row(result: Result, protocols: Sequence[str], marks: Marks) -> list[str]:
    mark = "" if result.comparable or not result.recipe.published else " †"
    cost, training, printed = result.cost, result.training, printed_cost(result.recipe.published)
    params = f"{cost.params / 1e6:.2f} / {fixed(printed.params_m if printed else None, 1)}"
    return [
        f"{result.name}{mark}",
        result.measured_on,
        *(ap_cell(result, protocol, marks) for protocol in protocols),
        params,
        *(f"{getattr(cost, count):.3f}" for count in COUNTS),
        printed_gflops(printed),
        fixed(training.samples_per_second, 1),
        fixed(training.hours, 2),
        f"`{result.evaluation.data_hash[:8]}`",
        f"`{(result.evaluation.run_id or NONE)[:8]}`",
    ]


def quoted_row(name: str, published: Sequence[Published], protocols: Sequence[str]) -> list[str]:
    printed = printed_cost(published)
    cells = []
    for protocol in protocols:
        row = published_under(published, protocol)
        cells.append(f"{NONE} / {percent(row.metrics[f'AP@{protocol}'] if row else None)}")
    params = f"{NONE} / {fixed(printed.params_m if printed else None, 1)}"
    blank = [NONE] * len(COUNTS)
    return [
        f"*{name}* (quoted)",
        NONE,
        *cells,
        params,
        *blank,
        printed_gflops(printed),
        *[NONE] * 4,
    ]


def ap_cell(result: Result, protocol: str, marks: Marks) -> str:
    row = result.published_under(protocol)
    published = row.metrics[f"AP@{protocol}"] if row else None
    whose = whose_boxes(result, marks) if protocol == "det" else ""
    told = f" ({whose})" if whose else ""
    return f"{number_cell(result.numbers, f'AP@{protocol}')}{told} / {percent(published)}"


def printed_gflops(row: Published | None) -> str:
    if row is None or row.gflops is None:
        return NONE
    count = f" ({COUNTS[row.gflops_count]})" if row.gflops_count else ""
    return f"{row.gflops:.1f}{count}"


def remarks(results: Sequence[Result], absent: Sequence[str]) -> list[str]:
    notes, marks = [], box_marks(results)
    for result in results:
        if not result.recipe.evaluation.flip_test:
            notes.append(f"{result.name}: without flip test, as its recipe says.")
        if result.recipe.published and not result.comparable:
            notes.append(
                f"† {result.name}: measured on {result.evaluation.images} images of "
                f"{result.data_split}, not on the set that the "
                "published numbers are taken over: no reproduction."
            )
        if result.stale_test_dev:
            notes.append(
                f"{result.name}: its scores of test-dev are of other results than those that lie "
                "in results now, and are left out: submit these, then "
                f"`python -m pipelines.evaluate {result.name} --test-dev-scores FILE`."
            )
        if (boxes := result.evaluation.boxes_from) is not None:
            notes.append(f"{result.name}: {boxes_note(boxes, marks[result.name])}")
        for protocol, counts in result.evaluation.counts.items():
            if without := counts.images_without_boxes:
                notes.append(
                    f"{result.name}: {without} of {counts.images} images have no boxes "
                    f"({PROTOCOLS[protocol]}); they are scored as without predictions."
                )
    if absent:
        notes.append(f"Not evaluated, though params.yaml runs them: {', '.join(absent)}.")
    return [f"- {note}" for note in notes]


def picture_links() -> list[str]:
    titles = {
        "learning_curves": "Learning curves",
        "ap_against_gflops": "AP against exact GFLOPs",
        "side_by_side": "The same images, recipe by recipe",
    }
    return [f"![{title}](pictures/{name}.png)" for name, title in titles.items()]


def field_picture_links(results: Sequence[Result]) -> list[str]:
    """Of networks that read whole images: written beside painted fields."""
    shown = []
    for result in results:
        place = f"../results/{result.name}/evaluation/fields"
        links = [f"![{image}]({place}/{image}.jpg)" for image in result.fields]
        if links:
            about = "what the codec wrote of the truth, and what the network paints, stage by stage"
            shown += [f"### Fields of {result.name}: {about}", "\n".join(links)]
    return shown


def doubt_table(results: Sequence[Result], quoted: Mapping[str, Sequence[Published]]) -> str:
    """Published rows in doubt beside ours under each protocol; "" where there are none."""
    rows = []
    for name, published, metrics in all_recipes(results, quoted):
        ours = [percent(metrics.get(f"AP@{protocol}")) for protocol in PROTOCOLS]
        for row in in_doubt(published):
            printed = ", ".join(
                f"{key} {percent(value)}" for key, value in row.metrics.items() if key[:3] == "AP@"
            )
            rows.append([name, *ours, printed or NONE, row.source, row.note or NONE])
    measured = [f"ours, AP@{protocol}" for protocol in PROTOCOLS]
    return (
        markdown_table(["recipe", *measured, "as printed", "source", "why"], rows) if rows else ""
    )


def all_recipes(
    results: Sequence[Result], quoted: Mapping[str, Sequence[Published]]
) -> list[tuple[str, Sequence[Published], Mapping[str, float]]]:
    """(recipe, what papers print of it, what was measured) of all recipes."""
    ours = [(r.name, list(r.recipe.published), r.beside_papers) for r in results]
    return [*ours, *((name, published, {}) for name, published in quoted.items())]


def number_tables(
    results: Sequence[Result],
    quoted: Mapping[str, Sequence[Published]],
    marks: Marks | None = None,
) -> list[str]:
    """Per protocol the ten COCO numbers: measured, with and without flip test, or as quoted."""
    marks = box_marks(results) if marks is None else marks
    protocols = dict.fromkeys(PROTOCOLS)
    for published in quoted.values():
        protocols |= dict.fromkeys(
            key.rpartition("@")[2] for row in published for key in row.metrics
        )
    if any(result.test_dev for result in results):
        protocols |= dict.fromkeys([TEST_DEV])
    made = []
    for protocol in protocols:
        rows = measured_rows(results, protocol, marks)
        for name, published in quoted.items():
            rows += published_rows(name, published, protocol)
        head = ["recipe", "source", *(f"{key}@{protocol}" for key in NUMBERS)]
        made += [markdown_table(head, rows)] if rows else []
    return made


def measured_rows(results: Sequence[Result], protocol: str, marks: Marks) -> list[list[str]]:
    rows = []
    for result in results:
        if f"AP@{protocol}" in result.numbers:
            whose = whose_boxes(result, marks) if protocol == "det" else ""
            boxes = f", boxes of {whose}" if whose else ""
            numbers = coco_numbers(result.numbers, protocol)
            rows.append([result.name, f"measured{boxes}", *numbers])
            others = coco_numbers(result.evaluation.others, protocol)
            rows.append([result.name, f"measured, {result.other_flip}{boxes}", *others])
        if f"AP@{protocol}" in result.test_dev:
            numbers = coco_numbers(result.test_dev, protocol)
            rows.append([result.name, "measured by COCO's server", *numbers])
    return rows


def published_rows(name: str, published: Sequence[Published], protocol: str) -> list[list[str]]:
    rows = []
    for row in published:
        if any(f"{key}@{protocol}" in row.metrics for key in NUMBERS):
            doubt = ", protocol in doubt" if row.protocol_doubtful else ""
            rows.append(
                [name, f"quoted{doubt}: {row.source}", *coco_numbers(row.metrics, protocol)]
            )
    return rows


def coco_numbers(metrics: Mapping[str, float], protocol: str) -> list[str]:
    return [number_cell(metrics, f"{key}@{protocol}") for key in NUMBERS]
