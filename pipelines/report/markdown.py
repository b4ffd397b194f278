"""Cells and tables of the reports' markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipelines.host.progress import nobody

NONE = "–"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(fraction: float | None) -> str:
    """COCO's -1 means that no person is of that size, NaN that nobody was resampled."""
    if fraction is None or not math.isfinite(fraction) or fraction < 0:
        return NONE
    return f"{100 * fraction:.1f}"


def number_cell(numbers: Mapping[str, float], name: str) -> str:
    """A number x 100, – where it was not measured, or whom there was none of to measure it over."""
    value = numbers.get(name)
    return nobody(name) if value is not None and value < 0 else percent(value)


def fixed(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"
