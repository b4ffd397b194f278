"""A job's log is shown once and whole, over whatever connections."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest

from pipelines.cluster.job_log import JobLog


class Sent:
    """Each connection sends the log from its beginning, in these pieces, and may break."""

    def __init__(self, *connections: tuple[list[str], bool]) -> None:
        self.connections, self.asked = list(connections), 0
        self.whole = "".join(connections[-1][0])
        self.all_used = threading.Event()

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        pieces, breaks = self.connections[min(self.asked, len(self.connections) - 1)]
        self.asked += 1
        for piece in pieces:
            yield piece
        if self.asked >= len(self.connections):
            self.all_used.set()
        if breaks:
            raise ConnectionError("cut")

    def get_job_logs(self, job_id: str) -> str:
        return self.whole


@pytest.mark.parametrize(
    "connections",
    [
        [(["one\n", "two\n"], False)],
        [(["one\ntw"], True), (["one\n", "two\n", "three\n"], False)],
        [(["one\n"], True), ([], True), (["on", "e\nt"], True), (["one\ntwo\n"], True)],
        [([], False), (["one\ntwo\n"], False)],  # before the first word, from a node that went
    ],
)
def test_each_piece_is_shown_once(connections: list[tuple[list[str], bool]]) -> None:
    logs, shown = Sent(*connections), list[str]()
    log = JobLog(lambda: logs, "job-1", shown.append, again_s=0.01).start()
    assert logs.all_used.wait(60)
    log.close()
    assert "".join(shown) == logs.whole


def test_a_log_that_nobody_gives_stops_nothing() -> None:
    class Silent(Sent):
        def get_job_logs(self, job_id: str) -> str:
            raise ConnectionError("away")

    shown = list[str]()
    logs = Silent((["one\n"], True))
    log = JobLog(lambda: logs, "job-1", shown.append, again_s=0.01).start()
    assert logs.all_used.wait(60)
    log.close()
    assert shown == ["one\n"]
