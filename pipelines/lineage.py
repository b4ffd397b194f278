"""What a champion, a run or a folder of results was made from, as a tree.

    python -m pipelines.lineage SLOT@champion      also SLOT:NUMBER, SLOT@previous
    python -m pipelines.lineage RUN                a run's id in MLflow
    python -m pipelines.lineage RECIPE_OR_FOLDER   results/RECIPE, or a folder like it
    python -m pipelines.lineage ... --json         the facts for a program

Data hash, recipe, code, git commit, training with its attempts, checkpoints and decisions of
promotion, each held against what is here. What results/ and runs/ tell counts where a run's id or a
checkpoint's digest says that it is of this training, not of a later one. Without MLflow it goes by
the ledger (reports/promotion.json), results/ and runs/, and says what nobody tells.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from pipelines.host.command import Arguments, run_command


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("lineage", __doc__)
    arguments.add_argument(
        "what", help="SLOT@champion, SLOT:NUMBER, a run's id, a recipe, a folder"
    )
    arguments.add_argument("--json", action="store_true", help="facts, decisions, what is missing")
    return run_command(arguments, argv, tell_lineage)


def tell_lineage(asked: Namespace) -> None:
    from pipelines.report.lineage_tree import print_tree
    from pipelines.report.origins import origin_of

    origin = origin_of(asked.what)
    if asked.json:
        names = ("slot", "version", "facts", "decisions", "missing")
        print(json.dumps({name: asdict(origin)[name] for name in names}, indent=2))
    else:
        print_tree(origin)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
