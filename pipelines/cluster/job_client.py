"""Ray's client of a cluster's jobs, at the address that it is given, with a limit to its waits."""

from __future__ import annotations

import logging
import os
from typing import Any

ANSWER_S = 60.0  # for an answer; Ray's own client waits for ever where a machine slept
TALKATIVE = (  # of Ray: they tell of every package and connection
    "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging", "ray._private.runtime_env.working_dir",
)  # fmt: skip
VARIABLE = "RAY_API_SERVER_ADDRESS"  # what Ray's client prefers to all that it is told


def job_client(url: str) -> Any:
    """A JobSubmissionClient of the dashboard at `url`. Raises as that one does."""
    from ray.job_submission import JobSubmissionClient

    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class Client(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, *given: Any, **named: Any) -> Any:
            return super()._do_request(*given, **{"timeout": ANSWER_S, **named})

    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = url
    try:
        return Client(url)
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
