"""Stage: raw data, every row and image checked once, to tables in data/store/prepared/DATASET.

    python -m pipelines.prepare DATASET

Out: SPLIT/{images,persons,ignore}.arrow, quarantine.csv, summary.json, preview.png; whole or not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from data import DATASETS
from pipelines.intake.preparing import prepare
from pipelines.recipe.params import load_params


def main(arguments: Sequence[str]) -> int:
    try:
        if len(arguments) != 1 or arguments[0].startswith("-"):
            raise ValueError(f"given {' '.join(arguments)!r}; usage: pipelines.prepare DATASET")
        settings = _settings(arguments[0])
        prepare(arguments[0], _bad_row_limit(arguments[0], settings), settings.get("weights"))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _settings(dataset: str) -> dict[str, Any]:
    settings = load_params().get("datasets", {}).get(dataset)
    if dataset not in DATASETS or not isinstance(settings, dict):
        raise ValueError(
            f"params.yaml: datasets.{dataset}: not there or on no menu; "
            f"accepted: {', '.join(DATASETS)}"
        )
    return settings


def _bad_row_limit(dataset: str, settings: Mapping[str, Any]) -> float:
    limit = settings.get("bad_row_limit", 0.0)
    if not isinstance(limit, int | float) or not 0 <= limit <= 1:
        where = f"params.yaml: datasets.{dataset}.bad_row_limit"
        raise ValueError(f"{where}: given {limit!r}, accepted: a share from 0 to 1")
    return float(limit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
