"""Runs the stages of some recipes, or of all: `make demo`, `make repro`.

    python -m pipelines.road [RECIPE ...]

A recipe that `params.yaml` does not run yet is added there. One Ray head serves all trainings.
With `cluster.parallel: N` of params.yaml, N train at a time: a table shows them, each writes into
runs/logs/RECIPE.log, and one that fails leaves the others theirs. Exit code: 0 all done; 1 where
any failed; 128 + n after a signal, which ends all of them: the same command goes on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines.cluster.ahead_of_dvc import train_ahead
from pipelines.cluster.head import one_head
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.dvc import THEN, run_dvc_or_end
from pipelines.host.launcher import typed
from pipelines.host.progress import told_number
from pipelines.host.signals import Interrupted, say_interrupted
from pipelines.recipe.params import add_to_run, load_params
from pipelines.recipe.profile import read_cluster
from pipelines.recipe.typed import checked_before, typed_recipe
from pipelines.registry.ledger import Ledger
from pipelines.store.settings import use_s3_settings

if TYPE_CHECKING:
    from pipelines.evaluation.record import EvaluationRecord
    from pipelines.recipe.schema import Recipe


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("road", __doc__)
    arguments.add_argument("recipes", nargs="*", metavar="RECIPE", help="none: all of params.yaml")
    return run_command(arguments, argv, lambda asked: road(asked.recipes))


def road(recipes: Sequence[str]) -> int:
    recipes = list(dict.fromkeys(recipes))
    for name in recipes:
        add_to_run(name, checked(name))
    use_s3_settings()  # of stages, and of DVC, whose remote may lie there
    started = time.monotonic()
    before = lock_file()
    threading.Thread(target=load_for_the_end, name="imports").start()
    try:
        with one_head():
            code, failed = reproduce(recipes)
    except Interrupted as interrupted:
        return say_interrupted("the trainings", int(interrupted.args[0]))
    if code and not failed:
        return code
    recipes = recipes or list(load_params()["run"]["recipes"])
    same = before is not None and before == lock_file()
    done = "Nothing to do: all is up to date" if same else "Done"
    done = f"Done, but for {', '.join(failed)}" if failed else done
    print(f"\n{done} ({time.monotonic() - started:.0f} s).")
    print("\n".join([*summary_lines(recipes), *next_lines(recipes, keep=not same)]))
    print("\n".join(failed_lines(failed)), end="", file=sys.stderr, flush=True)
    return code


def checked(name: str) -> Recipe:
    """The recipe; its whole check, which loads torch, is left out where it would tell nothing new.

    Raises ValueError.
    """
    if checked_before(name):
        return typed_recipe(name)
    from pipelines.recipe.reader import load_recipe

    return load_recipe(name)


def load_for_the_end() -> None:
    """What is said at the end needs torch: a second or two that DVC, another process, takes too."""
    from data.menus import EVALUATORS  # noqa: F401
    from pipelines.evaluation.record import EvaluationRecord  # noqa: F401


def reproduce(recipes: Sequence[str]) -> tuple[int, dict[str, str]]:
    """(exit code, {recipe whose training failed: why}) of the stages of these recipes, of all
    where none is named; trainings side by side come first where params.yaml says so."""
    params = load_params()
    parallel = read_cluster(params, gpus=0).parallel
    if parallel == 1:
        return repro(recipes), {}
    names = recipes or list(params["run"]["recipes"])
    failed = train_ahead(names, parallel, params["run"])
    if not failed:
        return repro(recipes), {}
    good = [name for name in names if name not in failed]
    if good:
        run_dvc_or_end("repro", "--keep-going", *(f"evaluate@{name}" for name in good))
        run_dvc_or_end("repro", "--single-item", "compare", "promote")
    return 1, failed


def repro(recipes: Sequence[str]) -> int:
    """Exit code of `dvc repro` for these recipes; their report and promotion come last."""
    if not recipes:
        return run_dvc_or_end("repro")
    targets = [f"evaluate@{name}" for name in recipes]
    last = ("repro", "--single-item", "compare", "promote")
    return run_dvc_or_end("repro", *targets, THEN, *last)


def failed_lines(failed: Mapping[str, str]) -> list[str]:
    """Which trainings failed, why, and where the whole of what they said stands."""
    if not failed:
        return []
    width = max(map(len, failed))
    rows = [f"  {name:<{width}}  {why}" for name, why in failed.items()]
    logs = f"what they said: {places.training_log('RECIPE')}; the same command tries them again"
    return ["", "error: trainings failed:", *rows, logs, ""]


def lock_file() -> bytes | None:
    path = places.REPOSITORY / "dvc.lock"
    return path.read_bytes() if path.is_file() else None


def summary_lines(recipes: Sequence[str]) -> list[str]:
    """What a person wants to know at the end: main numbers, champions and why, where to look on."""
    width = max(map(len, recipes), default=0)
    return [
        "",
        *(f"  {name:<{width}}  {main_numbers(name) or 'not evaluated'}" for name in recipes),
        "",
        *champion_lines(),
        "",
        f"  report       {places.comparison()}",
    ]


def next_lines(recipes: Sequence[str], *, keep: bool) -> list[str]:
    """Three commands that lead on; keep: and the one that keeps what ran in git."""
    from pipelines.evaluation.record import EvaluationRecord, has_evaluation

    done = [name for name in recipes if has_evaluation(places.evaluated(name))]
    if not done:
        return []
    first = EvaluationRecord.read(places.evaluated(done[0]))
    beside = [
        n for n in done if EvaluationRecord.read(places.evaluated(n)).dataset == first.dataset
    ]
    lines = {
        "make ui": "runs, curves and versions on MLflow's page",
        typed(f"show {' '.join(beside[:2])} --images {some_images(first)}"): "their poses",
        typed(f"evaluate {done[0]} --ceiling"): "what no training of it can exceed",
    }
    if keep and (places.REPOSITORY / ".git").exists():
        lines["git add dvc.lock params.yaml"] = "keeps what ran, on what, with which result"
    width = max(map(len, lines))
    return ["", "  next:", *(f"    {line:<{width}}  # {why}" for line, why in lines.items())]


def some_images(record: EvaluationRecord, count: int = 3) -> str:
    """Ids of the first images of the evaluated split, as `--images` takes them."""
    from pipelines.intake.prepared import image_files

    prepared, raw = places.prepared(record.dataset), places.raw(record.dataset)
    return ",".join(map(str, sorted(image_files(prepared, raw, record.split))[:count]))


def main_numbers(recipe: str) -> str:
    """The main number of the recipe's evaluator under each protocol; "" where not evaluated."""
    from data.menus import EVALUATORS
    from pipelines.evaluation.record import EvaluationRecord, has_evaluation

    folder = places.evaluated(recipe)
    if not has_evaluation(folder):
        return ""
    main = {kind.main for kind in EVALUATORS.values()}
    numbers = EvaluationRecord.read(folder).numbers
    shown = {key: value for key, value in numbers.items() if key.rpartition("@")[0] in main}
    return "  ".join(f"{key} {told_number(key, value)}" for key, value in shown.items())


def champion_lines() -> list[str]:
    lines = []
    for slot, state in Ledger(places.promotion()).slots.items():
        if state.get("champion"):
            lines.append(f"  champion of {slot}: version {state['champion']}, {state['recipe']}")
            lines.append(f"    {state['reason']}")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
