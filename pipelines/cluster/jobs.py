"""A training as a job of a Ray cluster: attach or submit, its log, its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.lineage import git_commit
from pipelines.host.processes import Interrupted
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training.plan import make_job

EXIT = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 3}
HERE = "this machine"
ACCEPTED = "`ray start --head` first, or --address http://HOST:8265, or RAY_ADDRESS set"
DO = "`python -m pipelines.train RECIPE` needs none"
POLL_S = 1.0
SILENCE_S = 120.0  # how long a cluster may not answer
AUTH = (
    "the cluster asks for a token: export RAY_AUTH_MODE=token (and RAY_AUTH_TOKEN, or "
    "RAY_AUTH_TOKEN_PATH, or put it into ~/.ray/auth_token), then try again"
)


class Jobs(Protocol):
    """What is used of Ray's JobSubmissionClient."""

    def list_jobs(self) -> list[Any]: ...
    def submit_job(
        self,
        *,
        entrypoint: str,
        submission_id: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> str: ...
    def get_job_status(self, job_id: str) -> Any: ...
    def get_job_logs(self, job_id: str) -> str: ...
    def stop_job(self, job_id: str) -> bool: ...


def run_key(recipe: str) -> str:
    """Names the training: the same recipe and data are never submitted twice at a time."""
    return make_job(recipe, read_cluster(load_params(), gpus=0)).run_folder.name


def connect(address: str | None, ask: Callable[[str | None], Jobs] | None = None) -> Jobs:
    """A client of the cluster's jobs; without an address found as `ray job submit` finds it.

    ask: makes the client. Raises ValueError where none answers or a token is missing.
    """
    accept_token()
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    variables = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
    known = [os.environ[name] for name in variables if os.environ.get(name)]
    where = address or next(iter(known), None) or load_params()["cluster"]["address"]
    try:
        client = (ask or JobSubmissionClient)(
            where
        )  # without an address: the one that runs on this machine
        client.list_jobs()
    except AuthenticationError as error:
        raise refusal(where or HERE, fault=AUTH) from error
    except (ConnectionError, RuntimeError, OSError) as error:
        if "auth" in str(error).lower():
            raise refusal(where or HERE, fault=AUTH) from error
        if not where:
            raise refusal(HERE, fault="no Ray cluster runs", accepted=ACCEPTED, do=DO) from error
        raise refusal(where, fault=f"no answer from a Ray cluster: {error}") from error
    return client


def accept_token() -> None:
    """`ray start` turns tokens on where one lies; Ray's job client must be told to send it."""
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    if os.environ.get("RAY_AUTH_TOKEN") or Path(file).is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def follow(
    jobs: Jobs,
    recipe: str,
    key: str,
    poll_s: float = POLL_S,
    silence_s: float = SILENCE_S,
    *,
    again: bool = False,
) -> int:
    """The exit code of the training's job, attached to if it runs already; a signal stops it.

    again: a new one trains anew where the training is finished.
    """
    job_id = find_running(jobs, key) or submit(jobs, recipe, key, again)
    try:
        return EXIT[wait(jobs, job_id, poll_s, silence_s)]
    except Interrupted as interrupted:
        print(f"{job_id}: stopping it", file=sys.stderr, flush=True)
        jobs.stop_job(job_id)
        return 128 + int(interrupted.args[0])


def find_running(jobs: Jobs, key: str) -> str | None:
    """Id of a job of that training which has not ended."""
    for job in jobs.list_jobs():
        job_id = str(job.submission_id)
        if job_id.startswith(f"{key}-") and str(job.status) not in EXIT:
            print(f"{job_id}: runs already; following it", flush=True)
            return job_id
    return None


def submit(jobs: Jobs, recipe: str, key: str, again: bool = False) -> str:
    before = [job for job in jobs.list_jobs() if str(job.submission_id).startswith(f"{key}-")]
    places.leave_note()
    variables = {
        "LIMBER_HOME": str(places.home()),
        "LIMBER_GIT_COMMIT": git_commit(),
        "RAY_JOB_STOP_SIGNAL": "SIGTERM",
        "RAY_JOB_STOP_WAIT_TIME_S": "20",
    }
    job_id = jobs.submit_job(
        entrypoint=f"python -m pipelines.train {recipe}{' --again' if again else ''}",
        submission_id=f"{key}-{len(before) + 1}",
        runtime_env={"working_dir": str(places.REPOSITORY), "env_vars": variables},
        metadata={"recipe": recipe, "run_key": key},
    )
    print(f"{job_id}: submitted", flush=True)
    return job_id


def wait(jobs: Jobs, job_id: str, poll_s: float = POLL_S, silence_s: float = SILENCE_S) -> str:
    """The state that the job ended in; its log is shown meanwhile.

    A cluster that does not answer counts as nothing, least of all as success: after `silence_s`
    of it, ValueError.
    """
    shown, heard = 0, time.monotonic()
    while True:
        try:
            status = str(jobs.get_job_status(job_id))
            shown = show_log(jobs, job_id, shown)
            heard = time.monotonic()
        except (ConnectionError, RuntimeError, OSError) as error:
            if time.monotonic() - heard > silence_s:
                fault = f"the cluster does not answer any more ({error})"
                todo = "the same command attaches to the job again"
                raise refusal(job_id, fault=fault, do=todo) from error
            status = ""
        if status in EXIT:
            print(f"{job_id}: {status}", flush=True)
            return status
        time.sleep(poll_s)


def show_log(jobs: Jobs, job_id: str, shown: int) -> int:
    """Prints what is new in the job's log; how much of it has been shown."""
    text = jobs.get_job_logs(job_id)
    sys.stdout.write(text[shown:])
    sys.stdout.flush()
    return len(text)
