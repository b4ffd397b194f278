"""The jobs client against a cluster that is played: attach, exit codes, signals, silence."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.cluster.jobs import accept_token, connect, follow
from pipelines.host import places
from pipelines.host.processes import Interrupted

KEY = "demo-0123456789ab"


class Played:
    """A cluster with some jobs; each question about a job gets the next of its states."""

    def __init__(self, states: list[Any], before: dict[str, str] | None = None) -> None:
        self.states, self.before = states, before or {}
        self.submitted: list[dict[str, Any]] = []
        self.stopped: list[str] = []

    def list_jobs(self) -> list[Any]:
        return [SimpleNamespace(submission_id=i, status=s) for i, s in self.before.items()]

    def submit_job(self, **given: Any) -> str:
        self.submitted.append(given)
        return str(given["submission_id"])

    def get_job_status(self, job_id: str) -> str:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        return str(state)

    def get_job_logs(self, job_id: str) -> str:
        return "one\ntwo\n"

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return True


@pytest.fixture(autouse=True)
def away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home is not the checkout, so submitting leaves no note there; git is not asked."""
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("STOPPED", 3)])
def test_exit_is_zero_only_on_success(
    state: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Played(["PENDING", "RUNNING", state])
    assert follow(jobs, "demo", KEY, poll_s=0) == code
    (given,) = jobs.submitted
    assert given["entrypoint"] == "python -m pipelines.train demo"
    assert given["submission_id"] == f"{KEY}-1"
    assert given["runtime_env"]["working_dir"] == str(places.REPOSITORY)
    variables = given["runtime_env"]["env_vars"]
    assert variables["LIMBER_HOME"] == str(places.home())
    assert variables["LIMBER_GIT_COMMIT"] == "0123456"
    assert capsys.readouterr().out.count("one\ntwo\n") == 1


def test_a_running_job_is_attached_to() -> None:
    jobs = Played(["RUNNING", "SUCCEEDED"], {f"{KEY}-1": "FAILED", f"{KEY}-2": "RUNNING"})
    assert follow(jobs, "demo", KEY, poll_s=0) == 0
    assert jobs.submitted == []


def test_an_ended_job_is_followed_by_a_new_one() -> None:
    jobs = Played(["SUCCEEDED"], {f"{KEY}-1": "STOPPED", "other-1": "RUNNING"})
    assert follow(jobs, "demo", KEY, poll_s=0) == 0
    assert jobs.submitted[0]["submission_id"] == f"{KEY}-2"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Played(["RUNNING", Interrupted(number)])
    assert follow(jobs, "demo", KEY, poll_s=0) == 128 + number
    assert jobs.stopped == [f"{KEY}-1"]


def test_silence_is_never_success() -> None:
    assert follow(Played([ConnectionError("gone"), "FAILED"]), "demo", KEY, poll_s=0) == 1
    with pytest.raises(ValueError, match="does not answer any more"):
        follow(Played([ConnectionError("gone")]), "demo", KEY, poll_s=0, silence_s=0.0)


def test_a_token_that_lies_there_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "x")  # so that it is put back after the test
        monkeypatch.delenv(name)
    accept_token()
    assert "RAY_AUTH_MODE" not in os.environ
    (tmp_path / "token").write_text("secret")
    accept_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_finished_training_is_trained_again_where_asked() -> None:
    jobs = Played(["SUCCEEDED"])
    assert follow(jobs, "demo", KEY, poll_s=0, again=True) == 0
    assert jobs.submitted[0]["entrypoint"] == "python -m pipelines.train demo --again"


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ("http://a:1", {"RAY_ADDRESS": "b:2"}, "http://a:1"),
        (None, {"RAY_ADDRESS": "b:2", "RAY_API_SERVER_ADDRESS": "http://c:3"}, "http://c:3"),
        (None, {"RAY_ADDRESS": "b:2"}, "b:2"),
        (None, {}, None),  # Ray looks for one on this machine, as `ray job submit` does
    ],
)
def test_where_the_cluster_is(
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    variables: dict[str, str],
    expected: str | None,
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked: list[str | None] = []

    def ask(where: str | None) -> Played:
        asked.append(where)
        return Played(["RUNNING"])

    connect(given, ask)
    assert asked == [expected]


def test_no_cluster_on_this_machine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(where: str | None) -> Played:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no Ray cluster runs, accepted: `ray start --head` first"):
        connect(None, ask)


def test_nobody_at_the_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ValueError, match="no answer from a Ray cluster"):
        connect(address)
