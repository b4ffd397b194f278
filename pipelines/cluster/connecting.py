"""A client of a running cluster's jobs, or in words why there is none."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

from data.ground.refusal import refusal
from pipelines.cluster.addresses import dashboard
from pipelines.cluster.job_client import job_client

HERE = "this machine"
ACCEPTED = "`ray start --head` first, or --address http://HOST:8265, or RAY_ADDRESS set"
DO = "`python -m pipelines.train RECIPE` needs none"
OTHER = "another server may listen there: give the dashboard of the head, http://HOST:8265"
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
    def get_job_info(self, job_id: str) -> Any: ...
    def get_job_logs(self, job_id: str) -> str: ...
    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...
    def stop_job(self, job_id: str) -> bool: ...


def connect(address: str | None, ask: Callable[[str], Jobs] | None = None) -> Jobs:
    """A client of the jobs of the cluster at `address`; None: of the one on this machine.

    ask: makes the client. Raises ValueError where none answers or a token is missing.
    """
    accept_token()
    from ray.exceptions import AuthenticationError

    where = address or HERE
    try:
        client = (ask or job_client)(dashboard(address))
        client.list_jobs()
    except AuthenticationError as error:
        raise refusal(where, fault=AUTH) from error
    except (ConnectionError, RuntimeError, OSError) as error:
        if "auth" in str(error).lower():
            raise refusal(where, fault=AUTH) from error
        if address in (None, "auto"):
            raise refusal(HERE, fault="no Ray cluster runs", accepted=ACCEPTED, do=DO) from error
        raise refusal(where, fault=f"no answer from a Ray cluster: {error}", do=OTHER) from error
    return client


def accept_token() -> None:
    """`ray start` turns tokens on where one lies; Ray's job client must be told to send it."""
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    if os.environ.get("RAY_AUTH_TOKEN") or Path(file).is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
