"""A job's log, shown while it is written: each piece once, however often the cluster sends it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

AGAIN_S = 2.0  # after a connection that broke
DRAIN_S = 15.0  # for what is still on its way when the job has ended
QUIET_S = 300.0  # without a word: a connection may have died with a sleep, and nobody says so


class Logs(Protocol):
    """What is used of Ray's JobSubmissionClient."""

    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...
    def get_job_logs(self, job_id: str) -> str: ...


class JobLog:
    """Follows a job's log in a thread of its own; a broken connection is opened again.

    The cluster then sends the log from its beginning: what was shown is passed over. Whether and
    how the job ended, the log does not decide.
    """

    def __init__(
        self,
        logs: Callable[[], Logs],
        job_id: str,
        show: Callable[[str], None],
        again_s: float = AGAIN_S,
    ) -> None:
        """logs: the client to ask, anew for each connection; again_s: before a next one."""
        self._logs, self._job_id, self._show, self._again_s = logs, job_id, show, again_s
        self._shown = 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._whole = False
        self._thread = threading.Thread(target=self._work, name="job-log", daemon=True)

    def start(self) -> JobLog:
        self._thread.start()
        return self

    def close(self, patience_s: float = DRAIN_S) -> None:
        """Shows the rest of an ended job's log; nothing is shown after that."""
        self._ended.set()
        self._thread.join(patience_s)
        if not self._whole:
            with suppress(Exception):  # the log is for people to read, it decides nothing
                self._take(self._logs().get_job_logs(self._job_id), 0)
        self.leave()

    def leave(self) -> None:
        """Shows nothing any more, whatever becomes of the job."""
        self._ended.set()
        with self._lock:
            self._shown = -1

    def _work(self) -> None:
        while not self._whole:
            last = self._ended.is_set()
            try:
                asyncio.run(self._follow())  # ends with the job, or with the node that has its log
                self._whole = last or self._ended.wait(self._again_s * 10)
            except Exception:  # noqa: BLE001 - whatever breaks a connection, there is a next one
                if last:
                    return
                self._ended.wait(self._again_s)

    async def _follow(self) -> None:
        sent, pieces = 0, aiter(self._logs().tail_job_logs(self._job_id))
        while (text := await asyncio.wait_for(anext(pieces, None), QUIET_S)) is not None:
            self._take(text, sent)
            sent += len(text)

    def _take(self, text: str, begin: int) -> None:
        """text: of the log from letter `begin` on."""
        with self._lock:
            if self._shown < 0:
                return
            new = text[max(0, self._shown - begin) :]
            if new:
                self._show(new)
                self._shown = max(self._shown, begin + len(text))
