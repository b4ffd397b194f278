"""All faults that are tried, in the order of the table. A new one is a line here."""

from __future__ import annotations

from tests.chaos import (
    asked,
    broken_files,
    commands,
    kills,
    labels,
    mutants,
    nodes,
    operations,
    pieces,
    promotions,
    ray_kills,
    read_only,
    servers,
    signals,
    state,
    stores,
    together,
    unread,
)
from tests.chaos.fault import Fault

FAULTS: list[Fault] = [
    *kills.FAULTS,
    *ray_kills.FAULTS,
    *servers.FAULTS,
    *stores.FAULTS,
    *nodes.FAULTS,
    *signals.FAULTS,
    *commands.FAULTS,
    *state.FAULTS,
    *read_only.FAULTS,
    *mutants.FAULTS,
    *labels.FAULTS,
    *broken_files.FAULTS,
    *asked.FAULTS,
    *unread.FAULTS,
    *together.FAULTS,
    *promotions.FAULTS,
    *operations.FAULTS,
    *pieces.FAULTS,
]
# What the longer rows took of two busy cores, beside others; the longest begin first
MINUTES = {
    "ray-killed": 75, "nodes-killed": 50, "broken-bodies": 15, "road-ended": 15,
    "commands-ended": 25, "ranks-killed": 14, "s3-fails": 10, "mutant-body": 10,
    "tracking-server": 8, "two-promotions": 8, "registry-taken-back": 8, "read-only": 6,
    "pieces-damaged": 6, "mutant-coco": 5, "mutant-recipe": 5, "pieces-killed": 5,
    "mutant-zip": 4, "registry-by-hand": 4, "unread-image": 4, "mutant-image": 4,
    "mutant-params": 4, "mutant-rules": 3, "doctor": 3, "two-machines": 3,
    "mutant-mat": 3, "node-dies": 2, "checkpoint-damaged": 2, "two-roads": 2,
    "two-writers": 2, "mutant-mpii": 1, "mutant-weights": 1, "ledger-damaged": 1,
    "outbox-damaged": 1, "database-damaged": 1,
}  # fmt: skip


def named(words: list[str]) -> list[Fault]:
    """The faults of those names, or whose name holds one of the words; all without a word.

    Raises:
        ValueError: a word that no name holds.
    """
    exact = [fault for fault in FAULTS if fault.name in words]
    if exact and len(exact) == len(words):
        return exact
    unknown = [word for word in words if not any(word in fault.name for fault in FAULTS)]
    if unknown:
        raise ValueError(f"no fault {unknown}; there are {[fault.name for fault in FAULTS]}")
    return [f for f in FAULTS if not words or any(word in f.name for word in words)]
