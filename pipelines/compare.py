"""Evaluated recipes side by side with what their papers print: a table, pictures, DVC metrics.

python -m pipelines.compare             the stage: recipes of params.yaml, into reports/
python -m pipelines.compare A B         what recipe (or MLflow run) A gains on B, and how surely
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.evaluation.scoring import NUMBERS, PROTOCOLS
from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.recipe.reader import recipe_names
from pipelines.report.benchmarks import COCO, benchmark_of
from pipelines.report.comparison import comparison_report
from pipelines.report.difference import write_difference
from pipelines.report.pictures import write_curves, write_pictures
from pipelines.report.published import published_under, quoted_rows
from pipelines.report.results import Result, read_result


def main(argv: Sequence[str] = ()) -> int:
    try:
        if len(argv) not in (0, 2):
            raise ValueError(f"compare: given {' '.join(argv)!r}, accepted: none, or two recipes")
        print(f"compared: {write_difference(*argv) if argv else compare()}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def compare() -> Path:
    """Writes reports/; returns the path of the report."""
    wanted = list(load_params()["run"]["recipes"])
    results = [r for name in wanted if (r := read_result(name)) is not None]
    absent = sorted(set(wanted) - {result.name for result in results})
    if not results:
        raise ValueError(
            f"results/: none of {', '.join(wanted) or 'no recipes'} (params.yaml, run.recipes) is "
            "evaluated; run `dvc repro`"
        )
    quoted = [n for n in recipe_names() if n not in {r.name for r in results}]
    folder = places.reports()
    write_pictures(folder / "pictures", results)
    write_curves(folder / "learning_curves.csv", results)
    numbers = {result.name: numbers_of(result) for result in results}
    write(folder / "comparison.json", json.dumps(numbers, indent=2) + "\n")
    text = comparison_report(results, {name: quoted_rows(name) for name in quoted}, absent)
    write(folder / "comparison.md", text)
    return folder / "comparison.md"


def numbers_of(result: Result) -> dict[str, Any]:
    """What DVC compares between experiments: numbers only."""
    measured = {k: v for k, v in result.metrics.items() if isinstance(v, int | float)}
    published = {
        f"{key}@{protocol}": row.metrics[f"{key}@{protocol}"]
        for protocol in PROTOCOLS
        if (row := published_under(result.recipe.published, protocol))
        for key in NUMBERS
        if f"{key}@{protocol}" in row.metrics
    }
    if benchmark_of(result.metrics) != COCO:
        sure = (row for row in result.recipe.published if not row.protocol_doubtful)
        published = {key: value for row in sure for key, value in row.metrics.items()}
    speed = {k: result.training.get(k) for k in ("samples_per_second", "hours", "best_epoch")}
    return {
        "measured": measured,
        "published": published,
        "cost": result.cost,
        "training": {k: v for k, v in speed.items() if v is not None},
    }


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
