"""An evaluation on disk: its record, and the matches that a bootstrap resamples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.evaluators import load_matches
from data.ground.evaluator import Matches
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places


@dataclass(frozen=True)
class EvaluationFolder:
    """`evaluate`'s folder, or the copy of it that travels with a version."""

    path: Path
    record: EvaluationRecord

    def matches(self, protocol: str) -> Matches:
        return load_matches(self.path / f"matches_{protocol}.npz")


def read_evaluation(path: Path) -> EvaluationFolder:
    """Raises ValueError where the folder is not a whole evaluation."""
    return EvaluationFolder(path, EvaluationRecord.read(path))


def every_evaluation() -> list[EvaluationFolder]:
    """All evaluations in results/, champions on other data too, decoded as their recipes say."""
    files = sorted(places.results().rglob(places.EVALUATION))
    evaluations = [read_evaluation(file.parent) for file in files]
    return [each for each in evaluations if each.record.decode is None]


def champion_elsewhere(slot: str, version: str, data_hash: str) -> EvaluationFolder | None:
    """What `python -m pipelines.evaluate --champion` wrote for that version on that data."""
    for file in sorted(places.champion_evaluations(slot).glob(f"*/{places.EVALUATION}")):
        evaluation = read_evaluation(file.parent)
        if (evaluation.record.version, evaluation.record.data_hash) == (version, data_hash):
            return evaluation
    return None
