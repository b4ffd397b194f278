"""Which folder of runs/ is a training's: RECIPE-KEY, or RECIPE-KEY.N where it was set aside for a
new one of the same recipe, data and weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.host import places
from pipelines.tracking.runs import OUTBOX_NAME, run_of_outbox
from pipelines.tracking.sealed import whole_records
from pipelines.training.checkpoint import read_manifests
from pipelines.training.finished import read_finished


@dataclass(frozen=True)
class RunFolder:
    """runs: ids of MLflow runs that it tells as its own; digests: sha256 of its checkpoints, also
    of those that were removed since (of an import: of its best.pt)."""

    path: Path
    runs: frozenset[str]
    digests: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> RunFolder:
        outbox, done = path / OUTBOX_NAME, read_finished(path)
        runs = {run_of_outbox(outbox), done.summary.run_id if done else None}
        lines = list(whole_records(outbox.read_bytes())) if outbox.is_file() else []
        told = {str(each.get("sha256", "")) for each in lines if each["kind"] == "checkpoint"}
        kept = {each.sha256 for each in read_manifests(path)}
        return cls(path, frozenset(each for each in runs if each), frozenset((told | kept) - {""}))


def run_folders(recipe: str, fingerprint: str) -> list[RunFolder]:
    """The newest training's first, then those that were set aside, the last one first."""
    newest = places.run(recipe, fingerprint)
    beside = newest.parent.iterdir() if newest.parent.is_dir() else ()
    numbers = (p.name.removeprefix(f"{newest.name}.") for p in beside if p.is_dir())
    aside = sorted((int(each) for each in numbers if each.isdecimal()), reverse=True)
    paths = [newest, *(newest.with_name(f"{newest.name}.{number}") for number in aside)]
    return [RunFolder.read(path) for path in paths if path.is_dir()]


def own_folder(
    folders: Sequence[RunFolder], run_ids: Sequence[str], digests: Collection[str]
) -> RunFolder | None:
    """The one of the first run that any is of; where none is, the one with such a checkpoint."""
    by_run = (each for run_id in run_ids for each in folders if run_id in each.runs)
    by_digest = (each for each in folders if not each.digests.isdisjoint(digests))
    return next(by_run, None) or next(by_digest, None)
