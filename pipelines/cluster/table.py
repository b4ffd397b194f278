"""Trainings side by side, shown: a table that is redrawn on a terminal, else a line per change."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipelines.cluster.side_by_side import DONE, FAILED, RUNNING, STARTING, WAITING, Row

Show = Callable[[Sequence[Row]], None]
COLOURS = {WAITING: "dim", STARTING: "cyan", RUNNING: "bold", DONE: "green", FAILED: "red"}
HEAD = ("recipe", "state", "epoch", "number", "left", "")
LEAVES = (DONE, WAITING, STARTING)  # out of a table that is too long, in this order
ROOM = 4  # lines of a terminal that are not rows: the head, what is left out, the last ones


@contextmanager
def shown_table(console: Console | None = None) -> Iterator[Show]:
    """What shows rows as they are now: `train_side_by_side(..., show)`."""
    console = console or Console()
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        yield Lines()
        return
    with Live(console=console, auto_refresh=False) as live:

        def show(rows: Sequence[Row]) -> None:
            size = shutil.get_terminal_size()
            live.update(table_of(rows, size.lines - ROOM, size.columns), refresh=True)

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


def table_of(rows: Sequence[Row], most: int, width: int) -> Text:
    """most: rows; what is left out is counted in a last line. width: of the terminal, in letters;
    reasons alone give way where it is narrow."""
    kept = _fitting(rows, most)
    table = [(HEAD, "dim"), *((_cells(row), COLOURS[row.state]) for row in kept)]
    widths = [max(len(cells[n]) for cells, _ in table) for n in range(len(HEAD) - 1)]
    text = Text(no_wrap=True)
    for cells, style in table:
        *columns, note = cells
        line = "  ".join(f"{cell:<{each}}" for cell, each in zip(columns, widths, strict=True))
        line = f"{line}  {note}".rstrip()
        text.append(f"{line if len(line) <= width else line[: width - 3] + '...'}\n", style)
    out = [row.state for row in rows if row not in kept]
    told = ", ".join(f"{out.count(state)} {state}" for state in COLOURS if state in out)
    return text.append(f"and {told}\n" if told else "")


def _cells(row: Row) -> tuple[str, ...]:
    return row.name, row.state, row.epoch, row.number, row.left, row.note


def _fitting(rows: Sequence[Row], most: int) -> list[Row]:
    """As many as fit, in their order; what needs nobody's eye leaves first."""
    kept = list(rows)
    for state in LEAVES:
        for row in [each for each in reversed(kept) if each.state == state]:
            if len(kept) > most:
                kept.remove(row)
    return kept
