"""Writes what the papers' networks cost, beside what they print, to reports/cost.md.

    python -m pipelines.cost
    python -m pipelines.cost --modules RECIPE [--depth 1]

Rows: the recipes' published ones, then pipelines/report/cost_rows.py. Nothing is computed but
shapes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from data.ground.spans import Span
from pipelines.host import places
from pipelines.host.command import Arguments, run_command, whole_number


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("cost", __doc__)
    arguments.add_argument("--modules", metavar="RECIPE", help="cost of the parts of its network")
    arguments.add_argument(
        "--depth", type=whole_number(Span(1, 100)), default=1, help="how deep parts go"
    )
    return run_command(arguments, argv, lambda asked: cost(asked.modules, asked.depth))


def cost(recipe: str | None, depth: int) -> None:
    from pipelines.recipe.reader import load_recipe
    from pipelines.report.cost import all_rows, measure, parts_table, write_cost

    if recipe:
        print(parts_table(load_recipe(recipe), depth))
        return
    write_cost(measure(all_rows()))
    print(places.cost_report())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
