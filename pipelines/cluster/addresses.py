"""Where a running cluster is: which address is meant, and whether anybody listens there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from data.ground.refusal import refusal

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
INSIDE_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # Ray sets it for the entrypoint of a job
NONE = ("", "local")  # Ray's word for "start one of your own"
ACCEPTED = "http://HOST:8265, HOST:6379, ray://HOST:10001, auto, or null (a local head)"
PORTS = {"http": 80, "https": 443, "ray": 10001}
HTTP = ("http", "https")
PATIENCE_S = 10.0  # for somebody to listen, and to say something


def wanted_address(configured: str | None, given: str | None = None) -> str | None:
    """The cluster that is meant: `given`, params.yaml's, the environment's; None: none is."""
    found = [given, configured, *(os.environ.get(name) for name in VARIABLES)]
    address = next((each for each in found if each), None)
    return None if address in NONE else address


def joined_address(configured: str | None) -> str | None:
    """The running cluster that a training which drives itself joins; None: a head of its own."""
    address = configured or os.environ.get("RAY_ADDRESS")
    return None if address in (None, *NONE) else address


def inside_a_job() -> bool:
    """Whether this process is what a cluster's job runs, and so drives the training itself."""
    return bool(os.environ.get(INSIDE_A_JOB))


def dashboard(address: str | None, patience_s: float = PATIENCE_S) -> str:
    """`http://HOST:PORT` of the cluster's dashboard, which takes jobs.

    None or `auto`: the cluster that runs on this machine. Raises ValueError, at once, where nobody
    listens; ConnectionError where none runs on this machine.
    """
    from ray.dashboard.utils import get_address_for_submission_client

    if address in (None, "auto"):
        with _without(VARIABLES):
            return str(get_address_for_submission_client(None))
    assert address is not None
    scheme, host, port = _parts(address)
    speaks_http = _answers(address, host, port, patience_s)
    if scheme in HTTP:
        return address.rstrip("/")
    if not scheme and speaks_http:
        return f"http://{host}:{port}"
    with _without(VARIABLES):  # Ray prefers them to what it is asked for
        try:
            found = str(get_address_for_submission_client(address))
        except (RuntimeError, ValueError) as error:
            raise refusal(address, fault=f"no answer from a Ray cluster: {error}") from error
    _, host, port = _parts(found)
    do = (
        "start its head with --dashboard-host=0.0.0.0, or bring that port here (`ssh -L 8265:"
        f"localhost:{port} HOST`, `kubectl port-forward`) and give http://localhost:8265"
    )
    _answers(f"{address}: its dashboard {found}", host, port, patience_s, do)
    return found


def _parts(address: str) -> tuple[str, str, int]:
    """(scheme or "", host, port). Raises ValueError for what is no address."""
    where = "address of the Ray cluster"
    scheme, mark, _ = address.partition("://")
    try:
        parts = urlsplit(address if mark else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise refusal(where, given=address, accepted=ACCEPTED) from error
    scheme = scheme if mark else ""
    port = port or PORTS.get(scheme)
    if not host or not port or (scheme and scheme not in PORTS):
        raise refusal(where, given=address, accepted=ACCEPTED)
    return scheme, host, port


def _answers(
    where: str, host: str, port: int, patience_s: float, do: str = "look whether it runs"
) -> bool:
    """Whether who answers there speaks HTTP, as a dashboard does. Raises ValueError where nobody
    listens, or whoever does says nothing: Ray's clients would wait for minutes without a word."""
    try:
        socket.create_connection((host, port), patience_s).close()
        return where.startswith("https:") or _speaks_http(host, port, patience_s)
    except TimeoutError as error:
        fault = f"no answer within {patience_s:g} s"
        raise refusal(where, fault=fault, accepted=ACCEPTED, do=do) from error
    except OSError as error:
        fault = f"nobody listens there ({error.strerror or error})"
        raise refusal(where, fault=fault, accepted=ACCEPTED, do=do) from error


def _speaks_http(host: str, port: int, patience_s: float) -> bool:
    """Whether it is a dashboard's port. Raises TimeoutError where it says nothing."""
    try:
        with urlopen(f"http://{host}:{port}/api/version", timeout=patience_s):
            return True
    except HTTPError:
        return True  # it asks for a token
    except TimeoutError:
        raise
    except (URLError, HTTPException, OSError, ValueError) as error:
        if isinstance(error, URLError) and isinstance(error.reason, TimeoutError):
            raise error.reason from error
        return False  # Ray's own protocol answers in bytes that are no HTTP/1


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    kept: Mapping[str, str] = {n: os.environ.pop(n) for n in names if n in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
