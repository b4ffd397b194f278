"""Trains two recipes on the same seeds, here and now: what A gains on B, and how surely.

    python -m pipelines.control A B [--seeds 1,2,3]

In this process, one training after another; no Ray, DVC or MLflow. In: the prepared data set (and
weights) of both. Out: runs/control, a folder per recipe and seed, where a finished training is
found again and an interrupted one goes on; the page, which is printed too, as
reports/control_A_B.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import masked, refusal
from pipelines.digests.sources import Sources
from pipelines.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED, Interval
from pipelines.evaluation.seeds import seeds_interval
from pipelines.host import places
from pipelines.host.command import SEEDS, Arguments, listed_numbers, run_command
from pipelines.host.signals import Interrupted, catch_signals, say_interrupted
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.recipe.schema import Recipe
from pipelines.report.markdown import markdown_table
from pipelines.training.job import TrainingStopped

if TYPE_CHECKING:
    from pipelines.evaluation.folder import EvaluationFolder

FEW = 10  # trainings: below, what varies from one to the next is hardly known
Load = Callable[[str], Recipe]


@dataclass(frozen=True)
class Pair:
    """Both recipes trained on one seed."""

    seed: int
    first: EvaluationFolder
    second: EvaluationFolder


def main(argv: Sequence[str], load: Load | None = None) -> int:
    """load: the recipe of a name."""
    arguments = Arguments("control", __doc__)
    arguments.add_argument("first", metavar="A", help="a recipe")
    arguments.add_argument("second", metavar="B", help="what it is held against")
    arguments.add_argument("--seeds", default="1,2,3", metavar="N,N", help="1,2,3 unless given")
    return run_command(arguments, argv, lambda asked: exit_code(asked, load))


def exit_code(asked: Namespace, load: Load | None) -> int:
    """Of the control; a refusal is raised."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a file
    catch_signals()
    try:
        control((asked.first, asked.second), seeds_of(asked.seeds), load)
    except TrainingStopped as error:
        print(masked(f"error: {error}"), file=sys.stderr, flush=True)
        return 1
    except Interrupted as interrupted:
        return say_interrupted("control", int(interrupted.args[0]))
    return 0


def control(names: tuple[str, str], seeds: Sequence[int], load: Load | None = None) -> Path:
    """Trains what is not trained yet; prints the page and returns where it lies."""
    import torch

    from pipelines.recipe.reader import load_recipe
    from pipelines.report.recipe_difference import differences_section, recipe_differences
    from pipelines.training.repeat import evaluated, repeat_job

    load = load or load_recipe
    first, second = (load(name) for name in names)
    refuse_other_protocols(names, first, second)
    cluster = read_cluster(load_params(), torch.cuda.device_count(), workers=1)
    sources = Sources()
    sides = [(name, r, code_of(r, sources)) for name, r in zip(names, (first, second), strict=True)]
    jobs = [[repeat_job(n, r, seed, cluster, code) for n, r, code in sides] for seed in seeds]
    pairs = []
    for seed, both in zip(seeds, jobs, strict=True):
        done = [evaluated(job, name, cluster) for job, name in zip(both, names, strict=True)]
        pairs.append(Pair(seed, *done))
    page = control_page(names, first, pairs)
    page += f"\n{differences_section(names, recipe_differences(first, second))}\n"
    path = places.reports() / f"control_{names[0]}_{names[1]}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    print(f"\n{page}\ncontrolled: {path}")
    return path


def seeds_of(text: str) -> list[int]:
    accepted = "whole numbers, each once, as 1,2,3"
    seeds = listed_numbers("--seeds", text, accepted, SEEDS)
    if len(set(seeds)) < len(seeds):
        raise refusal("--seeds", given=text, accepted=accepted)
    return seeds


def refuse_other_protocols(names: tuple[str, str], first: Recipe, second: Recipe) -> None:
    """ValueError where the difference of the two recipes' numbers would mean nothing."""
    if names[0] == names[1]:
        raise refusal("control", given=names[0], accepted="two recipes")
    mine, theirs = (asked_of(recipe) for recipe in (first, second))
    for key in mine:
        if mine[key] != theirs[key]:
            fault = f"{names[0]} has {mine[key]}, {names[1]} {theirs[key]}"
            do = "their numbers are not to be compared"
            raise refusal(f"control: {key}", fault=fault, accepted="the same in both", do=do)


def asked_of(recipe: Recipe) -> dict[str, object]:
    """What the numbers of two recipes have to share."""
    from data.menus import CODECS

    evaluation = {f"evaluation.{key}": value for key, value in asdict(recipe.evaluation).items()}
    boxes = "whole images" if CODECS[recipe.codec.name].whole_image else "people in boxes"
    return {"dataset": recipe.dataset, "what is read": boxes, **evaluation}


def code_of(recipe: Recipe, sources: Sources) -> str:
    """Digest of the code that decides what the recipe's training and evaluation end with."""
    from pipelines.digests.deciding import scores, trains

    digests = [deciding(recipe, sources).digests(sources) for deciding in (trains, scores)]
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def control_page(names: tuple[str, str], recipe: Recipe, pairs: Sequence[Pair]) -> str:
    """By protocol a row per seed, and the mean difference with its interval."""
    from data.menus import EVALUATORS
    from pipelines.evaluation.scoring import PROTOCOLS

    record, main = pairs[0].first.record, EVALUATORS[recipe.evaluation.evaluator].main
    data = f"{record.dataset} {record.split}, {record.images} images"
    lines = [f"# {names[0]} - {names[1]}", "", f"{data}, data `{record.data_hash[:12]}`, x 100."]
    protocols = [each for each in PROTOCOLS if f"{main}@{each}" in record.numbers]
    for protocol in protocols:
        interval = interval_of(pairs, protocol)
        head = [f"{main}@{protocol}, seed", *names, "difference"]
        lines += ["", markdown_table(head, table_rows(pairs, main, protocol)), "", told(interval)]
    return "\n".join([*lines, "", covered(interval, len(pairs))]) + "\n"


def interval_of(pairs: Sequence[Pair], protocol: str) -> Interval:
    first = [pair.first.matches(protocol) for pair in pairs]
    second = [pair.second.matches(protocol) for pair in pairs]
    return seeds_interval(first, second, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED)


def table_rows(pairs: Sequence[Pair], main: str, protocol: str) -> list[list[str]]:
    values = [
        [side.record.value(main, protocol) for side in (pair.first, pair.second)] for pair in pairs
    ]
    rows = [(str(pair.seed), *both) for pair, both in zip(pairs, values, strict=True)]
    means = [sum(column) / len(column) for column in zip(*values, strict=True)]
    return [
        [name, f"{100 * first:.2f}", f"{100 * second:.2f}", f"{100 * (first - second):+.2f}"]
        for name, first, second in [*rows, ("mean", *means)]
    ]


def told(interval: Interval) -> str:
    low, high = 100 * interval.low, 100 * interval.high
    chance = "; may be chance" if low <= 0 <= high else ""
    difference = f"Mean difference {100 * interval.difference:+.2f}"
    return f"{difference}, {interval.confidence:.0%} interval {low:+.2f} to {high:+.2f}{chance}."


def covered(interval: Interval, seeds: int) -> str:
    """What the interval speaks of, and what it does not."""
    images = f"the {interval.images} images (the same for both and for all seeds)"
    drawn = f"{interval.resamples} resamples of {images}"
    if seeds == 1:
        return f"Interval: {drawn}; one seed: of other trainings it says nothing."
    few = (
        f" {seeds} trainings of each are few: how much one differs from the next is hardly known, "
        "and the interval rather too narrow."
    )
    return (
        f"Interval: {drawn} and of the {seeds} seeds, both trainings of a seed together: other "
        f"images and other seeds of the same kind.{few if seeds < FEW else ''}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
