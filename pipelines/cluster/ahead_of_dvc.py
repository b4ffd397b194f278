"""Trainings that DVC would run one after the other, run side by side before DVC is asked to.

In: recipes of params.yaml, how many at a time. Out: which failed, and why. DVC makes ready what
comes before a training and says which are out of date; its locks are free while they train. Asked
for the rest afterwards, its train stages take the finished trainings over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.ground.refusal import refusal
from pipelines.cluster.side_by_side import train_side_by_side
from pipelines.cluster.table import shown_table
from pipelines.host import places
from pipelines.host.dvc import ask_dvc, run_dvc_or_end

# `dvc repro --dry` looks into the cache of runs with what the last run read: a changed recipe whose
# last run is kept would be "cached". This looks with what lies there now, as a true run does.
OUT_OF_DATE = """
import sys
from dvc.repo import Repo

sys.excepthook = lambda kind, error, trace: print("ERROR:", error, file=sys.stderr)
repo = Repo()
cache = repo.stage_cache
with repo.lock:
    for name in sys.argv[1:]:
        stage = repo.stage.load_one(name=name)
        if not stage.changed():
            continue
        stage.save_deps(allow_missing=True)
        run = cache._load(stage)
        if not run or not cache._create_stage(run, wdir=stage.wdir).outs_cached():
            print(name)
"""


def train_ahead(recipes: Sequence[str], parallel: int, run: Mapping[str, Any]) -> dict[str, str]:
    """{recipe that failed: why}; run: of params.yaml, where each recipe stands.

    Raises Interrupted after a signal, ValueError where DVC cannot say what is out of date.
    """
    failed = make_ready(recipes, run)
    wanted = out_of_date([name for name in recipes if name not in failed])
    if wanted:
        logs = places.training_log("RECIPE")
        many = f"{len(wanted)} recipe{'s' * (len(wanted) > 1)}"
        print(f"training {many}, {parallel} at a time; what each says: {logs}")
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
    said = ask_dvc(OUT_OF_DATE, *(f"train@{name}" for name in recipes))
    if said is None:
        fault = "does not say which trainings are out of date; its words stand above"
        raise refusal("dvc", fault=fault, do="wait for other calls of DVC, then try again")
    runs = set(said.split())
    return [name for name in recipes if f"train@{name}" in runs]
