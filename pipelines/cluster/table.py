"""Trainings side by side, shown: a table that is redrawn on a terminal, else a line per change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.cluster.side_by_side import DONE, FAILED, RUNNING, STARTING, WAITING, Row

Show = Callable[[Sequence[Row]], None]
COLOURS = {WAITING: "dim", STARTING: "cyan", RUNNING: "bold", DONE: "green", FAILED: "red"}
LEAVES = (DONE, WAITING, STARTING)  # out of a table that is too long, in this order
ROOM = 4  # lines of a terminal that are not rows: title, head, what is left out, the cursor's


@contextmanager
def shown_table(console: Console | None = None) -> Iterator[Show]:
    """What shows rows as they are now: `train_side_by_side(..., show)`."""
    console = console or Console()
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        yield Lines()
        return
    with Live(console=console, auto_refresh=False) as live:

        def show(rows: Sequence[Row]) -> None:
            height = shutil.get_terminal_size().lines
            live.update(table_of(rows, height - ROOM), refresh=True)

        yield show


class Lines:
    """Prints a training's line whenever its state is another."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def __call__(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if self._states.get(row.name) != row.state:
                self._states[row.name] = row.state
                cells = (row.name, row.state, row.number, row.note)
                print("  ".join(cell for cell in cells if cell), flush=True)


def table_of(rows: Sequence[Row], most: int) -> Table:
    """most: rows; what is left out is counted in the last line."""
    table = Table(box=None, pad_edge=False, title_justify="left", header_style="dim")
    for column in ("recipe", "state", "epoch", "number", "left"):
        table.add_column(column, no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
    kept = _fitting(rows, most)
    for row in kept:
        cells = (row.name, row.state, row.epoch, row.number, row.left, row.note)
        table.add_row(*map(Text, cells), style=COLOURS[row.state])  # Text: no markup of names
    left = [row for row in rows if row not in kept]
    if left:
        counts = {state: sum(row.state == state for row in left) for state in COLOURS}
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        table.add_row(Text(f"and {told}"))
    return table


def _fitting(rows: Sequence[Row], most: int) -> list[Row]:
    """As many as fit, in their order; what needs nobody's eye leaves first."""
    kept = list(rows)
    for state in LEAVES:
        for row in [each for each in reversed(kept) if each.state == state]:
            if len(kept) > most:
                kept.remove(row)
    return kept
