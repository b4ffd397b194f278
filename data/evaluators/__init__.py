"""Evaluators, and their matches read back from disk; the menu stands in data/menus.py.

In: predicted and true poses per image. Out: numbers, and matches that a bootstrap resamples.
May import: ground, matching, an evaluator that they build on (crowdpose: oks). A change re-runs
evaluation of the recipes that are scored so, and their training, whose best weights it chooses.
"""

from __future__ import annotations

from pathlib import Path

from data.evaluators.keypoint_distance import DistanceMatches
from data.evaluators.matching.matches import OksMatches, load_arrays
from data.evaluators.pckh import PckhMatches
from data.ground.evaluator import Matches

MATCHES: dict[str, type[Matches]] = {  # one more of them re-runs nothing of the others
    "oks": OksMatches,
    "pckh": PckhMatches,
    "keypoint_distance": DistanceMatches,
}


def load_matches(path: Path) -> Matches:
    """What an evaluator's `matches().save(path)` wrote. Raises ValueError that names the file."""
    return load_arrays(path, MATCHES)
