"""What is decided once and reaches every process of a training by its environment; no secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.lineage import git_commit
from pipelines.recipe.params import load_params
from pipelines.recipe.storage import STORAGE, read_storage
from pipelines.store.settings import s3_variables
from pipelines.tracking.server import tracking_uri
from pipelines.training.handed import VARIABLE, HandedTraining

TRACKING = "MLFLOW_TRACKING_URI"
STOP_S = 25  # how long a driver that is stopped has for its last checkpoint
SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL", re.IGNORECASE)
NODES = "nodes have secrets of their own, by their environment or role"


def driver_variables(handed: HandedTraining) -> dict[str, str]:
    """Of a job's environment: what its driver is to know of the checkout that asks for it.

    Raises ValueError where an address holds a password: what Ray is given can be read by everyone
    who sees the cluster's page.
    """
    variables = {
        **decided(read_storage(load_params())),
        VARIABLE: handed.as_json(),
        "RAY_JOB_STOP_SIGNAL": "SIGTERM",
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S),
    }
    for name, value in variables.items():
        if has_password(value):
            do = (
                f"take user and password out of it; {NODES} (MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD for an MLflow server)"
            )
            fault = "holds a password, which a job is never given"
            raise refusal(f"${name} (or its key in params.yaml)", fault=fault, do=do)
    return without_secrets(variables)


def rank_variables(storage: str | None) -> dict[str, str]:
    """What a driver decided, for its ranks: they begin with it. storage: address of its store.

    An address with a password is left out: ranks on this machine have it from their environment.
    """
    kept = {name: value for name, value in decided(storage).items() if not has_password(value)}
    return without_secrets(kept)


def decided(storage: str | None) -> dict[str, str]:
    """Where data, runs and results are, where MLflow and S3 are, which code this is.

    With a store nobody's folders are named: each node has its own, and an embedded database is
    nobody's but the checkout's.
    """
    tracking = tracking_uri()
    variables = {**s3_variables(), "LIMBER_GIT_COMMIT": git_commit()}
    if storage is None:
        variables["LIMBER_HOME"] = str(places.home())
    else:
        variables[STORAGE] = storage
    if storage is None or not tracking.startswith("sqlite"):
        variables[TRACKING] = tracking
    return {name: value for name, value in variables.items() if value}


def has_password(address: str) -> bool:
    """Whether it reads `scheme://user:password@...`."""
    if "://" not in address:
        return False
    try:
        return urlsplit(address).password is not None
    except ValueError:
        return "@" in address


def without_secrets(variables: dict[str, str]) -> dict[str, str]:
    assert not [name for name in variables if SECRET.search(name)]
    return variables
