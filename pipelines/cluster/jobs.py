"""A training as a job of a running cluster: attach or submit, its log, its end."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from data.ground.refusal import masked, refusal
from pipelines.cluster.connecting import Jobs
from pipelines.cluster.job_log import AGAIN_S, JobLog
from pipelines.cluster.package import packed
from pipelines.host.signals import Interrupted, uninterrupted

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
LOST = "LOST"  # the cluster does not know the job any more, or its driver went with a node
OWN_FAILURES = (  # of a job that failed by what it was asked for, and would again
    "RUNTIME_ENV_SETUP_FAILURE", "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE", "JOB_ENTRYPOINT_COMMAND_START_ERROR",
    "JOB_ENTRYPOINT_COMMAND_ERROR",
)  # fmt: skip
POLL_S = 1.0
SILENCE_S = 900.0  # how long a cluster may not answer: a head that is made anew takes minutes
STOPPING_S = 60.0  # for a job that is stopped to have ended
AGENT_S = 120.0  # for a head that just started to be able to run a job
NO_AGENT = "No available agent"  # as Ray says that it is not, or never will be
PORT_TAKEN = (
    "look into dashboard_agent.log of the head: where another Ray runs on that machine, start the "
    "head with --dashboard-agent-listen-port=PORT"
)
WAITS_S = 120.0  # how long a job waits before it is told why that may be
WAITS = (
    "waits to begin: the cluster has no room for the job's own process, or its nodes load the "
    "environment; after 15 minutes Ray ends it (RAY_JOB_START_TIMEOUT_SECONDS on the head)"
)
ANEW = 5  # times that a job which was lost is submitted again


Connect = Callable[[], Jobs]


@dataclass(frozen=True)
class Asked:
    """What is submitted where no job of `key` runs; prepare: called before, where that is so."""

    key: str
    recipe: str
    entrypoint: str
    variables: Mapping[str, str]
    checkout: Path
    prepare: Callable[[], None] = lambda: None


class End(NamedTuple):
    """A job's end: SUCCEEDED, FAILED, STOPPED, or LOST; what the cluster says of it."""

    status: str
    message: str = ""


class Patience(NamedTuple):
    """Seconds: between questions, of silence, for a stop, before a log is asked for again, for a
    head to be able to run a job, before a job that does not begin is told why."""

    poll_s: float = POLL_S
    silence_s: float = SILENCE_S
    stopping_s: float = STOPPING_S
    log_s: float = AGAIN_S
    agent_s: float = AGENT_S
    waits_s: float = WAITS_S


def follow(jobs: Jobs, again: Connect, asked: Asked, patience: Patience = Patience()) -> End:  # noqa: B008
    """Follows the training's job to its end, one that runs already or a new one.

    again: connects anew. A job that is lost with its head or its driver's node is submitted again,
    some times. A signal stops the job and is raised (Interrupted) when that has ended. Raises
    ValueError where the cluster stays silent; the job may then go on.
    """
    for anew in range(ANEW + 1):
        job_id = find_running(jobs, asked.key) or submit(jobs, asked, patience)
        follower = _Follower(jobs, again, job_id, patience)
        end = follower.end()
        jobs = follower.jobs
        if end.status != LOST:
            break
        told = "submitting it again" if anew < ANEW else "that was too often"
        print(f"{job_id}: lost ({end.message}); {told}", flush=True)
    return end


def find_running(jobs: Jobs, key: str) -> str | None:
    """Id of a job of that training which has not ended."""
    for job_id, status in attempts(jobs, key).values():
        if status not in ENDED:
            print(f"{job_id}: runs already; following it", flush=True)
            return job_id
    return None


def attempts(jobs: Jobs, key: str) -> dict[int, tuple[str, str]]:
    """{number: (id, status)} of that training's jobs that the cluster knows."""
    found = {}
    try:
        known = jobs.list_jobs()
    except (ConnectionError, RuntimeError, OSError) as error:
        fault = f"the cluster does not say which jobs it has ({error})"
        raise refusal(key, fault=fault, do="the same command again, when it answers") from error
    for job in known:
        name, _, number = str(job.submission_id).rpartition("-")
        if name == key and number.isascii() and number.isdigit():
            found[int(number)] = (str(job.submission_id), str(job.status))
    return found


def submit(jobs: Jobs, asked: Asked, patience: Patience = Patience()) -> str:  # noqa: B008
    """The new job's id; or of another one's that was submitted at the same moment."""
    asked.prepare()
    number = max(attempts(jobs, asked.key), default=0) + 1
    job_id = f"{asked.key}-{number}"
    try:
        _give(jobs, asked, job_id, patience)
    except Interrupted:
        with suppress(RuntimeError, OSError):
            jobs.stop_job(job_id)
        raise
    except (RuntimeError, OSError) as error:
        if "already exists" not in str(error):
            do = PORT_TAKEN if NO_AGENT in str(error) else ""
            fault = f"the cluster takes no job: {str(error).rstrip('.')}"
            raise refusal(job_id, fault=fault, do=do) from error
        return find_running(jobs, asked.key) or submit(jobs, asked, patience)
    print(f"{job_id}: submitted", flush=True)
    return job_id


def _give(jobs: Jobs, asked: Asked, job_id: str, patience: Patience) -> None:
    """A head that just started cannot run a job yet, and says so; others' errors are raised."""
    end, waits = time.monotonic() + patience.agent_s, False
    while True:
        try:
            with packed(asked.checkout) as folder, uninterrupted():
                jobs.submit_job(
                    entrypoint=asked.entrypoint,
                    submission_id=job_id,
                    runtime_env={"working_dir": str(folder), "env_vars": dict(asked.variables)},
                    metadata={"recipe": asked.recipe, "run_key": asked.key},
                )
        except RuntimeError as error:
            if NO_AGENT not in str(error) or time.monotonic() >= end:
                raise
        else:
            return
        if not waits:
            print(f"{job_id}: the cluster's head takes no job yet; waiting for it", flush=True)
        waits = True
        time.sleep(patience.poll_s)


class _Follower:
    """One job, its log on stdout; `jobs` is the client that answered last."""

    def __init__(self, jobs: Jobs, again: Connect, job_id: str, patience: Patience) -> None:
        self.jobs, self._again, self._id, self._patience = jobs, again, job_id, patience
        self._hint = time.monotonic() + patience.waits_s
        self._log = JobLog(lambda: self.jobs, job_id, _show, patience.log_s)

    def end(self) -> End:
        """Waits for it; on a signal stops the job first, and raises."""
        self._log.start()
        try:
            end = self._wait(self._patience.silence_s)
        except Interrupted:
            self._stop()
            raise
        except ValueError:
            self._log.leave()
            raise
        self._log.close()
        print(f"{self._id}: {end.status}", flush=True)
        return end

    def _stop(self) -> None:
        print(f"{self._id}: stopping it", file=sys.stderr, flush=True)
        try:
            self.jobs.stop_job(self._id)
            limit_s = self._patience.stopping_s
            end = self._wait(limit_s, limit_s)  # else who comes next would follow it
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            told = f"may go on ({error}); the same command follows it"
            print(masked(f"{self._id}: {told}"), file=sys.stderr, flush=True)
            self._log.leave()
        else:
            self._log.close()
            print(f"{self._id}: {end.status}", flush=True)

    def _wait(self, silence_s: float, limit_s: float = math.inf) -> End:
        """Silence counts as nothing, least of all as success.

        Raises ValueError after too much of it, and for a job that has not ended after `limit_s`.
        """
        began = heard = time.monotonic()
        silent = False
        while True:
            try:
                info = self.jobs.get_job_info(self._id)
                end = _state(info)
                silent, heard = False, time.monotonic()
                self._say_why_it_waits(str(info.status))
            except (ConnectionError, RuntimeError, OSError) as error:
                if "status code 404" in str(error) or "does not exist" in str(error):
                    return End(LOST, "the cluster does not know it any more")
                if time.monotonic() - heard > silence_s:
                    fault = f"the cluster does not answer any more ({error})"
                    todo = "the same command attaches to the job again"
                    raise refusal(self._id, fault=fault, do=todo) from error
                if not silent:
                    print(f"{self._id}: the cluster does not answer; waiting for it", flush=True)
                silent, end = True, None
                with suppress(ValueError):
                    self.jobs = self._again()
            if end:
                return end
            if time.monotonic() - began > limit_s:
                fault = f"has not ended {limit_s:g} s after it was told to"
                raise refusal(self._id, fault=fault)
            time.sleep(self._patience.poll_s)

    def _say_why_it_waits(self, status: str) -> None:
        """Once, of a job that does not begin."""
        if status == "PENDING" and time.monotonic() >= self._hint:
            print(f"{self._id}: {WAITS}", flush=True)
            self._hint = math.inf


def _state(info: Any) -> End | None:
    """None of a job that has not ended."""
    status, message = str(info.status), str(info.message or "")
    if status not in ENDED:
        return None
    error = str(info.error_type or "")
    if status == "FAILED" and info.driver_exit_code is None and error not in OWN_FAILURES:
        return End(LOST, message or error)
    return End(status, message)


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
