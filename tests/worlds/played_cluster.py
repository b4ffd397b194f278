"""A cluster's jobs, played: each question about a job gets the next of its states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipelines.cluster.jobs import Asked, Patience

QUICK = Patience(poll_s=0.0, silence_s=60.0, stopping_s=60.0, log_s=0.01)
LOG = "one\ntwo\n"


class Played:
    """`states`: names, `(FAILED, error type)`, errors, or what is called; the last one stays.

    before: {id: status} of jobs that the cluster knows; taken: ids that somebody else submits at
    the same moment; refuses: what it answers to the first that are submitted.
    """

    def __init__(
        self,
        states: list[Any],
        before: dict[str, str] | None = None,
        taken: dict[str, str] | None = None,
        refuses: list[str] | None = None,
    ) -> None:
        self.states, self.before, self.taken = states, before or {}, taken or {}
        self.refuses = refuses or []
        self.submitted: list[dict[str, Any]] = []
        self.packages: list[set[str]] = []
        self.stopped: list[str] = []

    def list_jobs(self) -> list[Any]:
        return [SimpleNamespace(submission_id=i, status=s) for i, s in self.before.items()]

    def submit_job(self, **given: Any) -> str:
        if self.refuses:
            raise RuntimeError(f"Request failed with status code 500: {self.refuses.pop(0)}.")
        name = str(given["submission_id"])
        if name in self.taken:
            self.before[name] = self.taken.pop(name)
            raise RuntimeError(f"status code 500: Job with submission_id {name} already exists.")
        self.before[name] = "PENDING"
        self.submitted.append(given)
        folder = Path(given["runtime_env"]["working_dir"])
        files = (path for path in folder.rglob("*") if path.is_file())
        self.packages.append({path.relative_to(folder).as_posix() for path in files})
        return name

    def get_job_info(self, job_id: str) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        state = state() if callable(state) else state
        if isinstance(state, BaseException):
            raise state
        status, error = state if isinstance(state, tuple) else (state, None)
        code = None if error else 1
        if status in ("SUCCEEDED", "FAILED", "STOPPED"):
            self.before[job_id] = status
        return SimpleNamespace(
            status=status, message="so it is", error_type=error, driver_exit_code=code
        )

    def get_job_logs(self, job_id: str) -> str:
        return LOG

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for piece in LOG.splitlines(keepends=True):
            yield piece

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return True


def asked(key: str, checkout: Path, prepare: Callable[[], None] = lambda: None) -> Asked:
    """A training of the recipe `demo`; `checkout` may be an empty folder."""
    entrypoint = "python -m pipelines.train demo"
    return Asked(key, "demo", entrypoint, {"LIMBER_HOME": "/home"}, checkout, prepare)
