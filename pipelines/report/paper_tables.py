"""The papers' tables of results, whole: what they print, row by row, beside what ours measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from pipelines.recipe.reader import recipe_path
from pipelines.recipe.schema import Published
from pipelines.report.markdown import NONE, fixed, markdown_table, number_cell, percent
from pipelines.report.paper_rows import PAPER_TABLES, PaperRow, PaperTable
from pipelines.report.published import quoted_rows
from pipelines.report.results import Result

TITLE = """## The papers' tables

As printed, in the papers' order, x 100; a row without a recipe is a quote of a network that is not
built here, and competes with nothing. ‡: protocol in doubt, beside all that ours measured. †:
measured on other images than papers measure on."""
NOT_MEASURED = "not measured"


def paper_sections(
    results: Sequence[Result], tables: Sequence[PaperTable] = PAPER_TABLES
) -> list[str]:
    """A heading per paper, and a table with its caption for each of its tables."""
    by_name, parts, paper = {result.name: result for result in results}, [TITLE], ""
    for table in tables:
        if table.paper != paper:
            parts.append(f"### {table.paper}")
        paper = table.paper
        parts += [f"{table.number}. {table.about}", paper_table(table, by_name)]
    return parts


def paper_table(table: PaperTable, results: Mapping[str, Result]) -> str:
    cost = ["params (M)", "GFLOPs"] if table.cost else []
    head = ["method", "input", *cost, *table.columns, "recipe", "measured"]
    return markdown_table(head, [paper_cells(row, table, results) for row in table.rows])


def paper_cells(row: PaperRow, table: PaperTable, results: Mapping[str, Result]) -> list[str]:
    printed = published_row(row)
    doubt = " ‡" if printed is not None and printed.protocol_doubtful else ""
    params, gflops = printed_cost(row, printed)
    numbers = printed_numbers(row, printed)
    return [
        f"{row.method}{doubt}",
        row.input,
        *([as_printed(params), as_printed(gflops)] if table.cost else []),
        *(percent(numbers.get(name)) for name in table.columns),
        f"`{row.recipe}`" if row.recipe else "quote",
        measured(results.get(row.recipe), printed, table.main) if row.recipe else NONE,
    ]


@cache
def _published(recipe: str) -> list[Published]:
    return quoted_rows(recipe) if recipe_path(recipe).is_file() else []


def published_row(row: PaperRow) -> Published | None:
    """The row of the recipe that is this one; None for a quote, or where it is there no more."""
    rows = _published(row.recipe) if row.recipe else []
    return next((each for each in rows if row.source in each.source), None)


def printed_numbers(row: PaperRow, printed: Published | None) -> Mapping[str, float]:
    """Fractions of 1 by the name of the number, without its protocol."""
    ours = printed.metrics if printed is not None else {}
    return {key.rpartition("@")[0]: value for key, value in ours.items()} | dict(row.quote)


def printed_cost(row: PaperRow, printed: Published | None) -> tuple[float | None, float | None]:
    """Parameters in M and GFLOPs: the table's own where it prints others than the recipe's row."""
    own = (row.params_m, row.gflops)
    theirs = (printed.params_m, printed.gflops) if printed is not None else (None, None)
    params, gflops = (mine or other for mine, other in zip(own, theirs, strict=True))
    return params, gflops


def as_printed(value: float | None) -> str:
    """With the digits that papers give: 4.09, 28.5."""
    return fixed(value, 2).removesuffix("0")


def measured(result: Result | None, printed: Published | None, main: str) -> str:
    """What ours came to under the protocol of the printed row; under each of ours if in doubt."""
    if result is None or printed is None:
        return NOT_MEASURED
    protocol = next(iter(printed.metrics)).rpartition("@")[2]
    known = {**result.beside_papers, **result.test_dev}
    names = [key for key in known if key.rpartition("@")[0] == main]
    if not printed.protocol_doubtful:
        names = [key for key in names if key.rpartition("@")[2] == protocol]
    told = [f"{key} {number_cell(known, key)}{mark(result, key)}" for key in names]
    return ", ".join(told) or NOT_MEASURED


def mark(result: Result, key: str) -> str:
    """COCO's server always scores the whole of test-dev."""
    return "" if result.comparable or key in result.test_dev else " †"
