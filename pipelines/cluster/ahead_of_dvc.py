"""Trainings that DVC would run one after the other, run side by side before DVC is asked to.

In: recipes of params.yaml, how many at a time. Out: which failed, and why. DVC makes ready what
comes before a training and says which are out of date; its locks are free while they train. Asked
for the rest afterwards, its train stages take the finished trainings over.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.ground.refusal import refusal
from pipelines.cluster.side_by_side import train_side_by_side
from pipelines.cluster.table import shown_table
from pipelines.host import places
from pipelines.host.processes import ask_dvc, run_dvc_or_end

RUNS = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)
CACHED = re.compile(r"^Stage '([^']+)' is cached", re.MULTILINE)  # of its run cache


def train_ahead(recipes: Sequence[str], parallel: int, run: Mapping[str, Any]) -> dict[str, str]:
    """{recipe that failed: why}; run: of params.yaml, where each recipe stands.

    Raises Interrupted after a signal, ValueError where DVC cannot say what is out of date.
    """
    failed = make_ready(recipes, run)
    wanted = out_of_date([name for name in recipes if name not in failed])
    if wanted:
        logs = places.training_log("RECIPE")
        print(f"training {len(wanted)} recipes, {parallel} at a time; what each says: {logs}")
        with shown_table() as show:
            failed |= train_side_by_side(wanted, parallel, show)
    return failed


def made(*stages: str) -> bool:
    """Whether DVC made them, or had them. Raises Interrupted after a signal."""
    return run_dvc_or_end("repro", *stages) == 0


def make_ready(
    recipes: Sequence[str], run: Mapping[str, Any], made: Callable[..., bool] = made
) -> dict[str, str]:
    """Makes what comes before the trainings; {recipe whose training lacks something: what}."""
    failed, by_dataset = dict[str, str](), defaultdict[str, list[str]](list)
    for name in recipes:
        by_dataset[run["recipes"][name]["dataset"]].append(name)
    for dataset, names in by_dataset.items():
        mix = "_mix" if dataset in run.get("mixtures", {}) else ""
        if not made(f"prepare{mix}@{dataset}", f"detect{mix}@{dataset}"):
            failed |= dict.fromkeys(names, f"data set {dataset}: not ready, DVC says why above")
    rest = [name for name in recipes if name not in failed]
    if rest and not made(*(f"weights@{name}" for name in rest)):
        for name in rest:
            if not made(f"weights@{name}"):
                failed[name] = "its weights could not be brought, DVC says why above"
    return failed


def out_of_date(recipes: Sequence[str]) -> list[str]:
    """Recipes whose training DVC would run now: not what is there or in its cache of runs."""
    if not recipes:
        return []
    stages = [f"train@{name}" for name in recipes]
    said = ask_dvc("repro", "--dry", "--single-item", *stages)
    if said is None:
        fault = "does not say which trainings are out of date; its words stand above"
        raise refusal("dvc", fault=fault, do="wait for other calls of DVC, then try again")
    runs = set(RUNS.findall(said)) - set(CACHED.findall(said))
    return [name for name in recipes if f"train@{name}" in runs]
