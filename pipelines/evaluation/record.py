"""An evaluation on disk (`evaluate`'s folder, or the copy that travels with a version)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.evaluators import load_matches
from data.evaluators.matching.matches import Matches
from pipelines.host import places


@dataclass(frozen=True)
class Evaluated:
    """Numbers (`AP@gt`...) and what they are about: data hash, cost, fingerprint, run."""

    folder: Path
    metrics: dict[str, Any]
    about: dict[str, Any]

    def protocol(
        self, metric: str, protocols: Sequence[str], shared_with: Evaluated | None = None
    ) -> str:
        """The first of `protocols` that it has the metric under, best one that the other has."""
        mine = [p for p in protocols if f"{metric}@{p}" in self.metrics]
        other = shared_with.metrics if shared_with else self.metrics
        shared = [p for p in mine if f"{metric}@{p}" in other]
        return (shared or mine)[0]

    def value(self, metric: str, protocol: str) -> float:
        return float(self.metrics[f"{metric}@{protocol}"])

    def matches(self, protocol: str) -> Matches:
        return load_matches(self.folder / f"matches_{protocol}.npz")

    def digest(self) -> str:
        """Changes when any number does: a version is decided anew after another evaluation."""
        return hashlib.sha256(json.dumps(self.metrics, sort_keys=True).encode()).hexdigest()[:12]


def read_evaluated(folder: Path) -> Evaluated:
    """Raises ValueError where the folder is not a whole evaluation."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text())
        about = json.loads((folder / "evaluation.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: no evaluation in it ({error}); run `dvc repro`") from error
    return Evaluated(folder, metrics, about)


def champion_elsewhere(slot: str, version: str, data_hash: str) -> Evaluated | None:
    """What `python -m pipelines.evaluate --champion` wrote for that version on that data."""
    for path in sorted((places.home() / "results" / "champions" / slot).glob("*/evaluation.json")):
        found = read_evaluated(path.parent)
        if str(found.about.get("version")) == version and found.about["data_hash"] == data_hash:
            return found
    return None
