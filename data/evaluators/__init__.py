"""Evaluators of the data wing (their menu stands in data/__init__.py), and their matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.evaluators.matching.matches import Matches, OksMatches, load_arrays
from data.evaluators.pckh import PckhMatches

MATCHES: dict[str, Any] = {kind.kind: kind for kind in (OksMatches, PckhMatches)}


def load_matches(path: Path) -> Matches:
    """What an evaluator's `matches().save(path)` wrote. Raises ValueError that names the file."""
    matches: Matches = load_arrays(path, MATCHES)
    return matches
