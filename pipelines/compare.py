"""Sets evaluated recipes beside what their papers print: a table, pictures, DVC metrics.

python -m pipelines.compare                 the stage: recipes of params.yaml, into reports/
python -m pipelines.compare A B             what recipe (or MLflow run) A gains on B, how surely,
                                            and what differs besides the networks
python -m pipelines.compare A B --recipes   only what differs; neither needs to be trained
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.recipe.params import load_params
from pipelines.recipe.schema import Published

if TYPE_CHECKING:
    from pipelines.report.results import Result

REPORT = ("comparison.md", "pictures")  # what of reports/ tells of all recipes


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("compare", __doc__)
    arguments.add_argument("both", nargs="*", metavar="A B", help="recipes, or run ids of MLflow")
    arguments.add_argument("--recipes", action="store_true", help="what differs between A and B")
    return run_command(arguments, argv, lambda asked: compare(asked.both, asked.recipes))


def compare(both: Sequence[str], recipes_alone: bool = False) -> None:
    from pipelines.recipe.reader import load_recipe
    from pipelines.report.difference import recipes_page, write_difference

    if recipes_alone:
        if len(both) != 2:
            raise refusal("--recipes", given=" ".join(both), accepted="two recipes")
        print(recipes_page(both, [load_recipe(name) for name in both]), end="")
        return
    if len(both) not in (0, 2):
        raise refusal("compare", given=" ".join(both), accepted="none, or two recipes")
    report = write_difference(both[0], both[1]) if both else compare_recipes()
    print(f"compared: {report}")


def compare_recipes() -> Path:
    """The stage, over the recipes of params.yaml; returns the path of the report."""
    from pipelines.recipe.reader import load_recipe, recipe_names
    from pipelines.report.published import quoted_rows
    from pipelines.report.results import is_evaluated, read_result

    wanted = list(load_params()["run"]["recipes"])
    results = [read_result(name, load_recipe(name)) for name in wanted if is_evaluated(name)]
    others = set(recipe_names()) - {result.name for result in results}
    quoted = {name: quoted_rows(name) for name in sorted(others)}
    report = write_comparison(wanted, results, quoted)
    attach_report(results, report)
    return report


def attach_report(
    results: Sequence[Result], report: Path, attach: Callable[..., bool] | None = None
) -> None:
    """The report and its pictures to the runs that it tells of, as long as a server answers."""
    from pipelines.tracking.runs import attach_folder

    others = [path.name for path in report.parent.iterdir() if path.name not in REPORT]
    attach = attach or attach_folder
    for result in results:
        record = result.evaluation
        if not attach(record.run_id, record.fingerprint, result.name, report.parent, {}, others):
            break


def write_comparison(
    wanted: Sequence[str], results: Sequence[Result], quoted: Mapping[str, Sequence[Published]]
) -> Path:
    """Fills reports/. wanted: recipes that should be evaluated; quoted: of those that are not."""
    from pipelines.report.comparison import comparison_report
    from pipelines.report.pictures import write_curves, write_pictures

    if not results:
        raise refusal(
            "results/",
            fault=f"none of {', '.join(wanted) or 'no recipes'} (params.yaml, run.recipes) is "
            "evaluated",
            do="run `make repro`",
        )
    folder, report = places.reports(), places.comparison()
    write_pictures(folder / "pictures", results)
    write_curves(folder / "learning_curves.csv", results)
    numbers = {result.name: numbers_of(result) for result in results}
    report.with_suffix(".json").write_text(json.dumps(numbers, indent=2) + "\n")
    absent = sorted(set(wanted) - set(numbers))
    report.write_text(comparison_report(results, quoted, absent))
    return report


def numbers_of(result: Result) -> dict[str, Any]:
    """What DVC compares between experiments: numbers only."""
    from pipelines.evaluation.scoring import NUMBERS, PROTOCOLS
    from pipelines.evaluation.test_dev import PROTOCOL as TEST_DEV
    from pipelines.report.benchmarks import benchmark_of

    protocols = (*PROTOCOLS, TEST_DEV) if result.test_dev else tuple(PROTOCOLS)
    published = {
        f"{key}@{protocol}": row.metrics[f"{key}@{protocol}"]
        for protocol in protocols
        if (row := result.published_under(protocol))
        for key in NUMBERS
        if f"{key}@{protocol}" in row.metrics
    }
    if benchmark_of(result.numbers) is not None:
        sure = (row for row in result.recipe.published if not row.protocol_doubtful)
        every = {key: value for row in sure for key, value in row.metrics.items()}
        ours = result.evaluation
        published = {k: v for k, v in every.items() if ours.as_papers(k.rpartition("@")[2])}
    names = ("samples_per_second", "hours", "best_epoch")
    training = {name: getattr(result.training, name) for name in names}
    return {
        "measured": {**result.numbers, **result.test_dev},
        "published": published,
        "cost": asdict(result.cost),
        "training": {name: value for name, value in training.items() if value is not None},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
