"""What every network of the papers costs, beside what they print: reports/cost.md and cost.json.

    python -m pipelines.cost
    python -m pipelines.cost --modules RECIPE [--depth 1]

Rows: the recipes' published ones, then `pipelines.cost_rows`. Nothing is computed but shapes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipelines.host import places
from pipelines.recipe.reader import load_recipe
from pipelines.report.cost import all_rows, measure, parts_table, write_cost


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.cost", description=__doc__)
    parser.add_argument("--modules", metavar="RECIPE", help="cost of the parts of its network")
    parser.add_argument("--depth", type=int, default=1, help="how deep parts go, from 1")
    given = parser.parse_args(argv)
    try:
        if given.modules:
            print(parts_table(load_recipe(given.modules), given.depth))
            return 0
        write_cost(measure(all_rows()))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{places.reports() / 'cost.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
