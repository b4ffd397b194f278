"""The papers' tables: whole, in their order, their numbers once, quotes beside no measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.recipe.reader import recipe_names
from pipelines.report.paper_rows import PAPER_TABLES, PaperRow, PaperTable
from pipelines.report.paper_tables import (
    NOT_MEASURED,
    paper_cells,
    paper_sections,
    paper_table,
    printed_cost,
    printed_numbers,
    published_row,
)
from pipelines.report.results import Result
from tests.worlds.results import OWN_BOXES, evaluation_record, recipe, training_record

MAIN = {  # AP (MPII: the mean) x 100 of every row, as the papers print them
    "Lite-HigherHRNet, Table 1": [61.8, 56.6, 66.5, 64.1, 66.4, 65.3],
    "Ghost OpenPose, Table 5": [35.1, 34.0],
    "CA-HRNet, Table 1": [74.4, 76.5],
    "HSRNet and HSR-MSNet, Table 1": [
        70.4, 71.4, 72.0, 70.1, 70.3, 72.7, 71.4, 71.8, 72.6, 70.9, 71.2, 73.2,
    ],
    "HSRNet and HSR-MSNet, Table 2": [71.4, 73.2, 71.5, 73.3],
    "HSRNet and HSR-MSNet, Table 3": [
        66.9, 67.1, 68.6, 70.6, 69.4, 71.6, 70.4, 72.2, 71.4, 73.2,
    ],
    "HSRNet and HSR-MSNet, Table 4": [
        64.9, 72.1, 69.2, 71.0, 72.0, 72.8, 73.0, 73.7, 72.6, 72.8,
    ],
    "PoseReNet, Table I": [62.6, 63.1, 63.2, 63.9, 70.7, 71.8, 71.9, 73.5, 75.6, 76.2],
    "PoseReNet, Table II": [
        64.9, 72.1, 72.3, 72.6, 73.0, 73.7, 74.9, 75.5, 70.0, 76.2, 71.8, 76.2, 77.3,
    ],
    "PoseReNet, Table III": [90.3, 90.4],
}  # fmt: skip
COST = {  # parameters in M, GFLOPs
    "Lite-HigherHRNet, Table 1": [
        (None, None), (277.2, 206.9), (68.7, 405.5), (28.5, 38.9), (28.6, 44.6), (16.4, 30.7),
    ],
    "Ghost OpenPose, Table 5": [(4.09, 9), (3.82, 7)],
    "PoseReNet, Table I": [
        (34.0, 2.3), (34.0, 2.3), (53.0, 3.1), (53.0, 3.1), (28.5, 1.8), (28.5, 1.8),
        (63.6, 3.6), (63.6, 3.6), (28.5, 7.1), (28.5, 7.1),
    ],
    "PoseReNet, Table II": [
        (42.6, 57.0), (None, None), (28.1, 26.7), (None, None), (None, None), (68.6, 35.6),
        (28.5, 16.0), (68.6, 32.9), (28.5, 1.8), (63.6, 32.9), (23.5, 1.8), (28.5, 7.1),
        (63.6, 32.9),
    ],
}  # fmt: skip
ROWS = [(table, row) for table in PAPER_TABLES for row in table.rows]
OURS = [(table, row) for table, row in ROWS if row.recipe]


def told(table: PaperTable) -> str:
    return f"{table.paper}, {table.number}"


def about(pair: tuple[PaperTable, PaperRow]) -> str:
    return f"{told(pair[0])}: {pair[1].method} {pair[1].input}"


def result(name: str, test_dev: dict[str, float] | None = None, **values: float) -> Result:
    made = recipe()
    training = training_record(name, made, "d" * 64)
    evaluation = evaluation_record(training, made, values)
    return Result(name, made, evaluation, training, {}, {}, test_dev=test_dev or {})


def cells(name: str, mine: Result, table: int = 0) -> list[str]:
    """Of the row of that recipe, in the first of the tables that have one."""
    found = next((t, row) for t, row in OURS if row.recipe == name)
    return paper_cells(found[1], found[0], {name: mine})


@pytest.mark.parametrize("table", PAPER_TABLES, ids=told)
def test_a_table_is_whole_and_in_the_papers_order(table: PaperTable) -> None:
    numbers = [printed_numbers(row, published_row(row)) for row in table.rows]
    assert [round(100 * each[table.main], 1) for each in numbers] == MAIN[told(table)]
    costs = [printed_cost(row, published_row(row)) for row in table.rows]
    assert table.cost == (told(table) in COST)
    if table.cost:
        assert costs == COST[told(table)]
    lines = paper_table(table, {}).splitlines()
    assert len(lines) == 2 + len(table.rows)
    assert len({line.count(" | ") for line in (lines[0], *lines[2:])}) == 1


@pytest.mark.parametrize(("table", "row"), ROWS, ids=map(about, ROWS))
def test_a_row_has_all_its_numbers_and_each_of_them_once(table: PaperTable, row: PaperRow) -> None:
    published = published_row(row)
    assert (published is not None) == bool(row.recipe), "its `source` is of a row of the recipe"
    missing = set(table.columns) - set(printed_numbers(row, published))
    assert missing == ({"AR"} if row.method.split(",")[0] in ("RMPE", "CFN") else set())
    if published is not None:
        assert row.recipe in recipe_names()
        ours = {key.rpartition("@")[0]: value for key, value in published.metrics.items()}
        assert all(ours[key] != value for key, value in row.quote.items()), "twice the same number"
        assert row.params_m is None or row.params_m != published.params_m
        assert row.gflops is None or row.gflops != published.gflops


def test_ours_stands_under_the_protocol_of_the_printed_row_alone() -> None:
    row = cells("hrnet_w32_coco_256x192", result("x", gt=0.8, det=0.74))
    assert row[2] == "74.4" and row[-1] == "AP@det 74.0 †", "on a few drawn images"
    assert cells("hrnet_w32_coco_256x192", result("x", gt=0.8))[-1] == NOT_MEASURED
    mine = result("x", gt=0.8, det=0.74)
    mine = replace(mine, evaluation=replace(mine.evaluation, boxes_from=OWN_BOXES))
    assert cells("hrnet_w32_coco_256x192", mine)[-1] == NOT_MEASURED, "from a detector of our own"


def test_a_row_in_doubt_stands_beside_all_of_ours() -> None:
    row = cells("ca_hrnet_w32_coco_256x192", result("x", gt=0.8, det=0.74))
    assert row[0] == "CA-HRNet-W32 ‡" and row[-1] == "AP@gt 80.0 †, AP@det 74.0 †"


def test_a_score_of_the_server_stands_beside_test_dev() -> None:
    mine = result("x", {"AP@test-dev": 0.737}, det=0.74)
    assert cells("simple_baseline_r152_coco_384x288", mine)[-1] == "AP@test-dev 73.7"
    assert cells("hsrnet_59_coco_256x192", mine)[-1] == "AP@det 74.0 †"


def test_a_quote_is_measured_by_nobody() -> None:
    """Not even by a result without a name."""
    table, row = next(pair for pair in ROWS if pair[1].method.startswith("PersonLab"))
    assert paper_cells(row, table, {"": result("", image=0.9)})[-2:] == ["quote", "–"]


def test_a_row_that_no_recipe_has_is_blank() -> None:
    table, row = OURS[0]
    for gone in (replace(row, recipe="no_such"), replace(row, source="nobody")):
        assert paper_cells(gone, table, {})[4:9] == ["–"] * 5


def test_each_paper_has_one_heading() -> None:
    text = "\n".join(paper_sections([]))
    assert text.count("\n### ") == 5 and text.count(NOT_MEASURED) == len(OURS)
