"""Two evaluations of the same data: what one gains on the other, and how sure that is."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.evaluation.bootstrap import Interval, paired_intervals
from pipelines.evaluation.record import Evaluated, read_evaluated
from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.host import places

RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 1
RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Side:
    """One of the two: how it was asked for, and its evaluation."""

    name: str
    evaluated: Evaluated


@dataclass(frozen=True)
class Row:
    """One metric of both; `interval` where the matches tell it (not of one size alone)."""

    metric: str
    first: float
    second: float
    interval: Interval | None


def write_difference(first: str, second: str) -> Path:
    """Compares two recipes or MLflow run ids; writes and prints reports/compare_A_B.md.

    Raises ValueError where one is not evaluated, or the two not on the same data.
    """
    with found(first) as one, found(second) as other:
        refuse_other_data(one, other)
        text = difference_page(one, other, difference_rows(one.evaluated, other.evaluated))
    path = places.reports() / f"compare_{short(first)}_{short(second)}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(text)
    return path


@contextmanager
def found(name: str) -> Iterator[Side]:
    """A recipe's evaluation, a run's by its id in results/, or by what was registered of it."""
    folder = places.evaluated(name)
    if not (folder / "evaluation.json").is_file():
        here = next((f for f in every_evaluation() if run_id_of(f) == name), None)
        if here is None and not RUN_ID.fullmatch(name):
            known = sorted(f.parent.name for f in every_evaluation() if f.name == "evaluation")
            raise ValueError(
                f"{name}: neither an evaluated recipe nor a run id of MLflow (32 hex digits); "
                f"accepted: {', '.join(known) or 'none yet'}; `dvc repro evaluate@{name}` "
                "evaluates a recipe"
            )
        if here is None:
            with tempfile.TemporaryDirectory() as part:
                yield Side(name, read_evaluated(registered(name, Path(part))))
            return
        folder = here
    yield Side(name, read_evaluated(folder))


def every_evaluation() -> list[Path]:
    """Folders of all evaluations in results/, champions on other data too."""
    results = places.home() / "results"
    return sorted(path.parent for path in results.rglob("evaluation.json"))


def run_id_of(folder: Path) -> str | None:
    run_id = json.loads((folder / "evaluation.json").read_text()).get("run_id")
    return None if run_id is None else str(run_id)


def registered(run_id: str, folder: Path) -> Path:
    """The evaluation that travels with a version made from this run."""
    from pipelines.registry.versions import EVALUATION, Registry

    registry = Registry()
    version = registry.of_run(run_id)
    if version is None:
        raise ValueError(
            f"run {run_id}: no evaluation of it in results/, and no registered version at "
            f"{registry.uri}; run `dvc repro` for its recipe"
        )
    return registry.files(version, EVALUATION, folder)


def refuse_other_data(one: Side, other: Side) -> None:
    mine, theirs = one.evaluated.about["data_hash"], other.evaluated.about["data_hash"]
    if mine != theirs:
        raise ValueError(
            f"{one.name} was evaluated on data {mine:.12}, {other.name} on {theirs:.12}: their "
            "difference means nothing; evaluate both on the same prepared data "
            "(`dvc repro evaluate@RECIPE`)"
        )


def difference_rows(one: Evaluated, other: Evaluated) -> list[Row]:
    """Protocol by protocol what both have; never one protocol beside another."""
    made = []
    for protocol in PROTOCOLS:
        keys = [k for k in one.metrics if k.endswith(f"@{protocol}") and k in other.metrics]
        if not keys:
            continue
        matches = one.matches(protocol), other.matches(protocol)
        intervals = paired_intervals(
            *matches, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED
        )
        made += [
            Row(key, one.metrics[key], other.metrics[key], intervals.get(key[: -len(protocol) - 1]))
            for key in keys
            if min(one.metrics[key], other.metrics[key]) >= 0
        ]
    if not made:
        raise ValueError(f"{one.folder} and {other.folder}: evaluated under different protocols, "
                         "nothing to compare")  # fmt: skip
    return made


def difference_page(one: Side, other: Side, found_rows: list[Row]) -> str:
    about = one.evaluated.about
    lines = [
        f"# {one.name} - {other.name}", "",
        f"{about['dataset']} {about.get('split', '')}, data `{about['data_hash'][:12]}`, x 100; "
        f"interval: {CONFIDENCE:.0%}, {RESAMPLES} resamples of the images, seed {SEED}.", "",
        f"| metric | {one.name} | {other.name} | difference | interval |",
        "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for row in found_rows:
        i = row.interval
        span = f"{100 * i.low:+.2f} to {100 * i.high:+.2f}" if i else "–"
        chance = " (may be chance)" if i and i.low <= 0 <= i.high else ""
        lines.append(
            f"| {row.metric} | {100 * row.first:.2f} | {100 * row.second:.2f} "
            f"| {100 * (row.first - row.second):+.2f} | {span}{chance} |"
        )
    mine, theirs = (side.evaluated.about.get("protocol") for side in (one, other))
    if mine != theirs:
        lines += ["", f"Mind: evaluated by other settings, {mine} and {theirs}."]
    return "\n".join(lines) + "\n"


def short(name: str) -> str:
    return name[:8] if RUN_ID.fullmatch(name) else name
