"""Sides of a measurement taking turns, again and again, on a machine that is quiet where it can be.

CPU time of this process, so that others on the machine cost less of it than of the clock; still
they take caches and clock speed: a ratio is told with its range, and with the load it was had at.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

QUIET, PATIENCE_S, LOOK_S = 1.5, 120.0, 5.0
REPEATS = 5


def wait_for_quiet(patience_s: float = PATIENCE_S) -> str:
    """Waits until the load is below 1.5; says the load, and whether that was in vain."""
    until = time.monotonic() + patience_s
    while os.getloadavg()[0] >= QUIET and time.monotonic() < until:
        time.sleep(LOOK_S)
    load = os.getloadavg()[0]
    return f"load {load:.1f}" if load < QUIET else f"load {load:.1f}: not a quiet machine"


def asked_of_photos(doc: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    """images: a folder of COCO's layout, $LIMBER_REAL_DATA's where none is given, None without;
    rounds; patience."""
    parser = argparse.ArgumentParser(description=doc)
    real = os.environ.get("LIMBER_REAL_DATA")
    parser.add_argument("--images", type=Path, default=Path(real) / "coco_mini" if real else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds, for quiet")
    return parser.parse_args(arguments)


def measured(
    sides: Mapping[str, Callable[[int], None]], rounds: int, repeats: int = REPEATS
) -> dict[str, list[float]]:
    """By side, CPU seconds of a call: of each repeat the median of its rounds, sides taking turns.

    sides: called with the round's number, from 1 on, the same in each repeat; 0 warms up.
    """
    for side in sides.values():
        side(0)
    return {
        name: list(spent)
        for name, spent in zip(
            sides,
            zip(*(_medians(sides, rounds) for _ in range(repeats)), strict=True),
            strict=True,
        )
    }


def _medians(sides: Mapping[str, Callable[[int], None]], rounds: int) -> list[float]:
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            started = time.process_time()
            side(number)
            spent[name].append(time.process_time() - started)
    return [statistics.median(each) for each in spent.values()]


def told(values: Sequence[float], digits: int = 2) -> str:
    """`2.31 (2.25 to 2.40)`: the median of repeats, and their range."""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def ratios(above: Sequence[float], below: Sequence[float]) -> str:
    """The ratio of two sides, repeat by repeat, as `told` tells it."""
    return told([a / b for a, b in zip(above, below, strict=True)])
