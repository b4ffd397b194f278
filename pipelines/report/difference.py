"""Two evaluations of the same data: what one gains on the other, how surely, and by what."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.evaluation.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Interval,
    paired_intervals,
)
from pipelines.evaluation.folder import EvaluationFolder, every_evaluation, read_evaluation
from pipelines.evaluation.record import has_evaluation
from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.host import places
from pipelines.recipe.schema import Recipe
from pipelines.recipe.strict import as_plain_data
from pipelines.registry.versions import EVALUATION, Registry
from pipelines.report.evaluated_recipe import card_beside, evaluated_recipe
from pipelines.report.markdown import NONE, markdown_table, number_cell
from pipelines.report.recipe_difference import differences_section, recipe_differences

Fetch = Callable[[str, Path], Path]
RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Side:
    """One of the two: how it was asked for, and its evaluation."""

    name: str
    evaluation: EvaluationFolder


@dataclass(frozen=True)
class Gain:
    """One metric of both; `interval` where the matches tell it (not of one size alone)."""

    metric: str
    first: float
    second: float
    interval: Interval | None


def write_difference(first: str, second: str, fetch: Fetch | None = None) -> Path:
    """Compares two recipes or MLflow run ids; writes and prints reports/compare_A_B.md.

    fetch: of a run, its id, what was registered, into a folder. Raises ValueError where one is not
    evaluated, or the two not on the same data.
    """
    fetch = fetch or registered_evaluation
    with open_side(first, fetch) as one, open_side(second, fetch) as other:
        refuse_other_data(one, other)
        page = difference_page(one, other, metric_gains(one.evaluation, other.evaluation))
    path = places.reports() / f"compare_{short_name(first)}_{short_name(second)}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    print(page)
    return path


@contextmanager
def open_side(name: str, fetch: Fetch) -> Iterator[Side]:
    """A recipe's evaluation, a run's by its id in results/, or by what was registered of it."""
    if has_evaluation(places.evaluated(name)):
        yield Side(name, read_evaluation(places.evaluated(name)))
        return
    evaluations = every_evaluation()
    here = next((each for each in evaluations if each.record.run_id == name), None)
    if here is not None:
        yield Side(name, here)
        return
    if not RUN_ID.fullmatch(name):
        raise refuse_name(name, evaluations)
    with tempfile.TemporaryDirectory() as folder:
        yield Side(name, read_evaluation(fetch(name, Path(folder))))


def refuse_name(name: str, evaluations: Sequence[EvaluationFolder]) -> ValueError:
    own = [each.record.recipe for each in evaluations if each.record.slot is None]
    return refusal(
        name,
        fault="neither an evaluated recipe nor a run id of MLflow (32 hex digits)",
        accepted=", ".join(sorted(own)) or "none yet",
        do=f"`make repro RECIPE={name}` evaluates a recipe",
    )


def registered_evaluation(run_id: str, folder: Path, registry: Registry | None = None) -> Path:
    """The evaluation that travels with a version made from this run, brought to `folder`."""
    registry = registry or Registry()
    version = registry.of_run(run_id)
    if version is None:
        raise refusal(
            f"run {run_id}",
            fault="no evaluation of it in results/, and no registered version at " + registry.uri,
            do="run `make repro RECIPE=...` with its recipe",
        )
    evaluation = registry.files(version, EVALUATION, folder)
    card_beside(evaluation, registry.files(version, f"artifacts/{places.CARD}", folder))
    return evaluation


def refuse_other_data(one: Side, other: Side) -> None:
    mine, theirs = one.evaluation.record.data_hash, other.evaluation.record.data_hash
    if mine != theirs:
        raise ValueError(
            f"{one.name} was evaluated on data {mine:.12}, {other.name} on {theirs:.12}: their "
            "difference means nothing; evaluate both on the same prepared data "
            "(`make repro RECIPE=...`)"
        )


def metric_gains(one: EvaluationFolder, other: EvaluationFolder) -> list[Gain]:
    """Protocol by protocol what both have; never one protocol beside another."""
    mine, theirs = one.record.numbers, other.record.numbers
    gains = []
    for protocol in PROTOCOLS:
        keys = [key for key in mine if key.endswith(f"@{protocol}") and key in theirs]
        if not keys or not one.record.shares(protocol, other.record):
            continue
        matches = one.matches(protocol), other.matches(protocol)
        intervals = paired_intervals(
            *matches, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED
        )
        gains += [
            Gain(key, mine[key], theirs[key], intervals.get(key.removesuffix(f"@{protocol}")))
            for key in keys
        ]
    if not gains:
        raise ValueError(
            f"{one.path} and {other.path}: evaluated under different protocols, or from different "
            "detectors' boxes: nothing to compare"
        )
    return gains


def difference_page(one: Side, other: Side, gains: Sequence[Gain]) -> str:
    record = one.evaluation.record
    head = ["metric", one.name, other.name, "difference", "interval"]
    lines = [
        f"# {one.name} - {other.name}",
        "",
        f"{record.dataset} {record.split}, data `{record.data_hash[:12]}`, x 100; "
        f"interval: {CONFIDENCE:.0%}, {RESAMPLES} resamples of the images, seed {SEED}.",
        "",
        markdown_table(head, [gain_row(gain) for gain in gains]),
    ]
    mine, theirs = (as_plain_data(side.evaluation.record.protocol) for side in (one, other))
    if mine != theirs:
        lines += ["", f"Mind: evaluated by other settings, {mine} and {theirs}."]
    boxes = [side.evaluation.record.boxes_from for side in (one, other)]
    if not record.shares("det", other.evaluation.record):
        named = " and ".join(each.told if each else NONE for each in boxes)
        lines += ["", f"`det` starts from other boxes ({named}), and is not compared."]
    elif boxes[0] is not None:
        lines += ["", f"`det` starts from boxes of {boxes[0].told}."]
    return "\n".join([*lines, "", recipes_section(one, other)]) + "\n"


def recipes_section(one: Side, other: Side) -> str:
    """What differs between the recipes that the two evaluations are of, where they are at hand."""
    names = [short_name(side.name) for side in (one, other)]
    first, second = (evaluated_recipe(side.evaluation) for side in (one, other))
    if first is not None and second is not None:
        return differences_section(names, recipe_differences(first, second))
    lost = [name for name, found in zip(names, (first, second), strict=True) if found is None]
    return (
        f"What differs between the recipes cannot be told: that of {' and of '.join(lost)} was "
        "changed since its evaluation, and no best.pt or registered version of it is here."
    )


def recipes_page(names: Sequence[str], recipes: Sequence[Recipe]) -> str:
    """Two recipes beside each other; nothing of them needs to be trained."""
    section = differences_section(names, recipe_differences(*recipes))
    return f"# {' - '.join(names)}\n\n{section}\n"


def gain_row(gain: Gain) -> list[str]:
    numbers = {gain.metric: min(gain.first, gain.second)}
    if numbers[gain.metric] < 0:
        return [gain.metric, *[number_cell(numbers, gain.metric)] * 2, NONE, NONE]
    interval = gain.interval
    span = f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}" if interval else NONE
    chance = " (may be chance)" if interval and interval.low <= 0 <= interval.high else ""
    return [
        gain.metric,
        f"{100 * gain.first:.2f}",
        f"{100 * gain.second:.2f}",
        f"{100 * (gain.first - gain.second):+.2f}",
        f"{span}{chance}",
    ]


def short_name(name: str) -> str:
    return name[:8] if RUN_ID.fullmatch(name) else name
