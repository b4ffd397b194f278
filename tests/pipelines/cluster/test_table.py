"""The table of trainings: what is left out where it is too long; lines without a terminal."""

from __future__ import annotations

import pytest

from pipelines.cluster.side_by_side import Row
from pipelines.cluster.table import Lines, shown_table, table_of

WAITS = "waits for room: asks for 2 CPUs, 0 free"
ROWS = [
    Row("early", "done", "4/4", "AP@gt 0.250"),
    Row("lost", "failed", note="no weights [missing]"),
    Row("first", "running", "2/4", "AP@gt 0.120", "1:05"),
    Row("second", "starting", note=WAITS),
    Row("third", "waiting"),
    Row("fourth", "waiting"),
]


def drawn(most: int, width: int = 100) -> list[str]:
    return table_of(ROWS, most, width).plain.splitlines()


def test_all_of_it_where_there_is_room() -> None:
    head, *lines = drawn(6)
    assert head.split() == ["recipe", "state", "epoch", "number", "left"]
    assert [line.split() for line in lines] == [
        ["early", "done", "4/4", "AP@gt", "0.250"],
        ["lost", "failed", "no", "weights", "[missing]"],
        ["first", "running", "2/4", "AP@gt", "0.120", "1:05"],
        ["second", "starting", *WAITS.split()],
        ["third", "waiting"],
        ["fourth", "waiting"],
    ]


@pytest.mark.parametrize(
    ("most", "kept", "left"),
    [
        (5, ["lost", "first", "second", "third", "fourth"], "and 1 done"),
        (3, ["lost", "first", "second"], "and 2 waiting, 1 done"),
        (0, ["lost", "first"], "and 2 waiting, 1 starting, 1 done"),
    ],
)
def test_what_runs_and_what_failed_stays_longest(most: int, kept: list[str], left: str) -> None:
    lines = drawn(most)[1:]
    assert [line.split()[0] for line in lines[:-1]] == kept
    assert lines[-1].strip() == left


@pytest.mark.parametrize("width", [60, 80, 100, 300])
def test_a_long_reason_gives_way_to_all_else_and_breaks_no_line(width: int) -> None:
    rows = [*ROWS, Row("lost_too", "failed", note="why " * 100)]
    lines = table_of(rows, 9, width).plain.splitlines()
    assert max(map(len, lines)) == width
    assert [line.split()[:2] for line in lines[1:]] == [
        *([row.name, row.state] for row in ROWS),
        ["lost_too", "failed"],
    ]
    assert "2/4" in lines[3]
    assert "AP@gt 0.120" in lines[3]
    assert "1:05" in lines[3]
    assert "why why" in lines[-1]


def test_without_a_terminal_a_line_per_change_of_state(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_table() as show:
        show([Row("a", "running", "1/4"), Row("b", "waiting")])
        show([Row("a", "running", "2/4", "AP@gt 0.120"), Row("b", "waiting")])
        show([Row("a", "done", "4/4", "AP@gt 0.250"), Row("b", "failed", note="no data")])
    assert isinstance(show, Lines)
    assert capsys.readouterr().out.splitlines() == [
        "a  running",
        "b  waiting",
        "a  done  AP@gt 0.250",
        "b  failed  no data",
    ]
