"""What papers print of a recipe, and under which protocol."""

from __future__ import annotations

from collections.abc import Sequence

from data.ground.yaml_text import read_yaml
from pipelines.recipe.reader import recipe_path
from pipelines.recipe.schema import Published

COUNTS = {"exact_g": "exact G", "exact_gi": "exact Gi", "hr_g": "HR G", "hr_gi": "HR Gi"}


def published_under(rows: Sequence[Published], protocol: str) -> Published | None:
    """The first row with an AP of this protocol; never one of another, nor one in doubt."""
    sure = (row for row in rows if not row.protocol_doubtful)
    return next((row for row in sure if f"AP@{protocol}" in row.metrics), None)


def in_doubt(rows: Sequence[Published]) -> list[Published]:
    """Rows that may be of another protocol than the paper says: shown beside both of ours."""
    return [row for row in rows if row.protocol_doubtful]


def printed_cost(rows: Sequence[Published]) -> Published | None:
    return next((row for row in rows if row.params_m or row.gflops), None)


def quoted_rows(name: str) -> list[Published]:
    """What papers print of a recipe that does not run here; its network is not built for that."""
    content = read_yaml(recipe_path(name))
    return [Published(**row) for row in content.get("published") or []]
