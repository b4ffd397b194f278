"""What papers print stands under its own protocol, and a cell says when there is nothing to say."""

from __future__ import annotations

import math

import pytest

from pipelines.recipe.schema import Published
from pipelines.report.markdown import NONE, fixed, markdown_table, percent
from pipelines.report.published import in_doubt, printed_cost, published_under, quoted_rows

DETECTED = Published("det's", {"AP@det": 0.7})
TRUE = Published("gt's", {"AP@gt": 0.8, "AR@gt": 0.8}, params_m=28.5)
DOUBTFUL = Published("who knows", {"AP@gt": 0.9}, protocol_doubtful=True, note="which boxes?")


def test_a_row_stands_under_its_own_protocol_and_none_in_doubt() -> None:
    rows = [DOUBTFUL, DETECTED, TRUE]
    assert published_under(rows, "gt") == TRUE and published_under(rows, "det") == DETECTED
    assert published_under(rows, "image") is None
    assert in_doubt(rows) == [DOUBTFUL]
    assert printed_cost(rows) == TRUE and printed_cost([DETECTED]) is None


def test_rows_of_a_recipe_are_read_without_its_network() -> None:
    rows = quoted_rows("hrnet_w32_coco_256x192")
    assert rows and all(isinstance(row, Published) and row.source for row in rows)
    assert quoted_rows("demo_hrnet") == []


@pytest.mark.parametrize("nothing", [None, math.nan, -1.0])
def test_a_number_that_is_none_is_a_dash(nothing: float | None) -> None:
    assert percent(nothing) == NONE
    assert percent(0.7444) == "74.4" and fixed(None, 2) == NONE and fixed(7.145, 1) == "7.1"


def test_a_table_has_as_many_rules_as_columns() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
